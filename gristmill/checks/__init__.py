"""What `gristmill check` looks at: whether a network learns, and which tests of the ML Test Score a pipeline passes."""
