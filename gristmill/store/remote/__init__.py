"""A store that several machines share: what one of them has made is there for all."""
