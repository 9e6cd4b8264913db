"""The merchant's desk: the admin site, who may do what at it, and how it keeps merchants apart."""
