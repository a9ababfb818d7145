"""Other libraries on the same PostgreSQL. Each runs in a Python of its own, for which see requirements.txt:
its releases of shared packages are not ragdiet's. No module of this folder imports ragdiet, but `runner`."""
