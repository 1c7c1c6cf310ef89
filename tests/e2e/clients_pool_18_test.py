#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clients_pool_test.py against PostgreSQL 18."""
import os, sys

os.execve(os.path.abspath(__file__).replace("_18_", "_"), sys.argv, dict(os.environ, CLIENTS_SERVER="18"))
