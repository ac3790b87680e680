"""How a training is carried out, whatever it trains: devices, processes, checkpoints, logs, interruption."""
