"""Requests and answers: what the HTTP contract promises, whatever server is around it."""
