"""How any agent trains: the agent, the training loop, evaluation, hyper-parameters, the random tree."""
