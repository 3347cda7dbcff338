"""The inside of the fetch stage: transfers, what they wait for, and how they end."""
