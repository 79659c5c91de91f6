"""Store that several machines share: each can use what the others have made."""
