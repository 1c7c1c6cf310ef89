#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clients_test.py over shared connections: each program prints what it does directly, whatever connection
each of its transactions has."""
import os, sys

os.execve(os.path.abspath(__file__).replace("_pool_", "_"), sys.argv,
          dict(os.environ, CLIENTS_POOL="pool transaction size 6"))
