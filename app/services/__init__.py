"""The use cases. Every rule and every decision about rights lives here, once."""
