"""`python -m app` is the console script `orders`."""

from app.cli.program import run

if __name__ == "__main__":
    run()
