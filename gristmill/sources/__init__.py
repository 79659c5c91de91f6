"""Where raw data comes from, one file a kind. A source is a settings class with a method that reads it."""
