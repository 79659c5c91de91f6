"""Time series: values in order, windows over them, forecasts of what comes next."""
