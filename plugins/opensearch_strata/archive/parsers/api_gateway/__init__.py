"""Logs of API Gateway: access logs, and the execution logs of REST and WebSocket APIs."""
