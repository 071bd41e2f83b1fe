"""What the service is measured beside: its peers, and the limit of the machine."""
