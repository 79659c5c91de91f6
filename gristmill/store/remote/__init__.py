"""Store that several machines share: each machine can use the artifacts of the others."""
