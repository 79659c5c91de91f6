"""New data since the champion was trained, drift, and the gate that decides on a challenger."""
