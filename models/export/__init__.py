"""Converts published weights into what the shelf can hold."""
