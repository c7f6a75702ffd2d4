"""Games of many agents, as PettingZoo lays them out."""
