#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pool_unseen_test.py against PostgreSQL 18."""
import os, sys

os.execve(os.path.abspath(__file__).replace("_18_", "_"), sys.argv, dict(os.environ, POOL_SERVER="18"))
