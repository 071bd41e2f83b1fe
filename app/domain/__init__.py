"""Words, ids, money and time: what the shop talks about, without any input or output."""
