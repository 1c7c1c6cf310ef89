#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client on PostgreSQL 18's libpq, to be run with it on LD_LIBRARY_PATH: libpq18.py CONNINFO WHAT.
Prints the protocol it came to speak, then what WHAT gives; `cancel` cancels a statement under way."""
import ctypes, sys, threading, time

pq = ctypes.CDLL("libpq.so.5")
for name in ("PQconnectdb", "PQexec", "PQgetResult", "PQcancelCreate"):
    getattr(pq, name).restype = ctypes.c_void_p
for name in ("PQerrorMessage", "PQgetvalue", "PQresultErrorField", "PQcancelErrorMessage"):
    getattr(pq, name).restype = ctypes.c_char_p


def main(conninfo, what):
    c = ctypes.c_void_p(pq.PQconnectdb(conninfo.encode()))
    if pq.PQstatus(c) != 0:
        print(pq.PQerrorMessage(c).decode().strip())
        return 1
    print("protocol", pq.PQfullProtocolVersion(c))
    if what == "cancel":
        pq.PQsendQuery(c, b"select pg_sleep(30)")
        time.sleep(0.2)
        k = ctypes.c_void_p(pq.PQcancelCreate(c))
        print("cancel", pq.PQcancelBlocking(k), (pq.PQcancelErrorMessage(k) or b"").decode())
        r = ctypes.c_void_p(pq.PQgetResult(c))
        print((pq.PQresultErrorField(r, ord("C")) or b"not cancelled").decode())
    else:
        r = ctypes.c_void_p(pq.PQexec(c, what.encode()))
        print((pq.PQgetvalue(r, 0, 0) if pq.PQntuples(r) else pq.PQerrorMessage(c)).decode())
    pq.PQfinish(c)
    return 0


sys.exit(main(*sys.argv[1:]))
