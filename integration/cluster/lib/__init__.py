"""What the cluster's tests and benches share: an API client, objects, traffic, figures. Standard library only."""
