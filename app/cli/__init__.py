"""What people type: `orders …`."""
