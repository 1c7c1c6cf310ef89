// SPDX-License-Identifier: MIT
// Connects with pgx and with lib/pq and prints what it hears on the way: URL
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	_ "github.com/lib/pq"
)

func fail(err error) {
	fmt.Println(err)
	os.Exit(1)
}

func main() {
	var n int
	if os.Args[1] == "pq" {
		db, err := sql.Open("postgres", os.Args[2])
		if err != nil {
			fail(err)
		}
		if err := db.QueryRow("select 40 + 2").Scan(&n); err != nil {
			fail(err)
		}
	} else {
		c, err := pgx.ParseConfig(os.Args[2])
		if err != nil {
			fail(err)
		}
		c.OnNotice = func(_ *pgconn.PgConn, m *pgconn.Notice) { fmt.Println("notice", m.Message) }
		conn, err := pgx.ConnectConfig(context.Background(), c)
		if err != nil {
			fail(err)
		}
		if err := conn.QueryRow(context.Background(), "select 40 + 2").Scan(&n); err != nil {
			fail(err)
		}
	}
	fmt.Println(n)
}
