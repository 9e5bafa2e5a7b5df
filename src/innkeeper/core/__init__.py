"""The product in plain Python: what an account may do, what a server is, what happens to it.

Refuses to know HTTP, SQL, buses and processes: it is handed stores and a gateway to the nodes, and is asked by
every dialect in the same way.
"""
