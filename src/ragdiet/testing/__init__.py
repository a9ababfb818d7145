"""Stand-ins for the services that ragdiet calls, for its own tests and for yours."""
