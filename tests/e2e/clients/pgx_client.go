// SPDX-License-Identifier: MIT
// What pgx and lib/pq do, printed: pgx_client URL
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/lib/pq"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func code(err error) string {
	var p *pgconn.PgError
	var q *pq.Error
	if errors.As(err, &p) {
		return p.Code + " " + p.Message
	}
	if errors.As(err, &q) {
		return string(q.Code) + " " + q.Message
	}
	if err != nil && (pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)) {
		return "timeout"
	}
	return fmt.Sprint(err)
}

// `pool transaction`: nothing that is the connection's own.
var shared = os.Getenv("CLIENTS_SHARED") != ""
var temp = map[bool]string{true: "", false: "temp "}[shared]

func listens(ctx context.Context, c *pgx.Conn) {
	if shared {
		return
	}
	_, err := c.Exec(ctx, "listen news; notify news, 'payload'")
	must(err)
	note, err := c.WaitForNotification(ctx)
	must(err)
	fmt.Println(note.Channel, note.Payload)
}

func withPgx(url string) {
	ctx := context.Background()
	config, err := pgx.ParseConfig(url)
	must(err)
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Println("notice:", n.Message) }
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	_, err = c.Exec(ctx, "create "+temp+"table t (a int primary key, b text, c bytea); select 1")
	must(err)
	var n int
	var s *string
	var b []byte
	must(c.QueryRow(ctx, "select $1::int + 1, $2::text, $3::bytea", 41, nil, []byte{0, 255}).Scan(&n, &s, &b))
	fmt.Println(n, s, b)
	rows := [][]interface{}{}
	for i := 0; i < 500; i++ {
		rows = append(rows, []interface{}{i, fmt.Sprint("row ", i), []byte{byte(i)}})
	}
	count, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a", "b", "c"}, pgx.CopyFromRows(rows))
	fmt.Println("copied", count, err)
	_, err = c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a", "b", "c"}, pgx.CopyFromRows(rows[:1]))
	fmt.Println(code(err))
	var out strings.Builder
	_, err = c.PgConn().CopyTo(ctx, &out, "copy (select a, b from t order by a limit 3) to stdout")
	fmt.Println(out.String(), err)
	_, err = c.PgConn().CopyFrom(ctx, strings.NewReader("900\tcopied\t\\N\n"), "copy t from stdin")
	fmt.Println(err)
	batch := &pgx.Batch{}
	for i := 0; i < 30; i++ {
		batch.Queue("select b from t where a = $1", i)
	}
	batch.Queue("select 1 / $1::int", 0)
	batch.Queue("select 'behind the error'")
	br := c.SendBatch(ctx, batch)
	for i := 0; i < 32; i++ {
		var v interface{}
		err := br.QueryRow().Scan(&v)
		fmt.Print(v, " ", code(err), "; ")
	}
	fmt.Println(code(br.Close()))
	_, err = c.Prepare(ctx, "named", "select a, b, c from t where a < $1 order by a")
	must(err)
	for i := 0; i < 3; i++ {
		r, err := c.Query(ctx, "named", i+1)
		must(err)
		for r.Next() {
			v, _ := r.Values()
			fmt.Print(v, " ")
		}
		fmt.Println(r.CommandTag(), r.Err())
	}
	fmt.Println(c.Deallocate(ctx, "named"))
	must(c.QueryRow(ctx, "select $1::text", pgx.QuerySimpleProtocol(true), "a'b\\c").Scan(&s))
	fmt.Println(*s)
	tx, err := c.Begin(ctx)
	must(err)
	_, err = tx.Exec(ctx, "insert into t values (1)")
	fmt.Println(code(err))
	_, err = tx.Exec(ctx, "select 1")
	fmt.Println(code(err), tx.Rollback(ctx))
	_, err = c.Exec(ctx, "do $$ begin raise notice 'hello'; end $$")
	must(err)
	listens(ctx, c)
	mr := c.PgConn().Exec(ctx, "select 1; select 2; selec")
	for mr.NextResult() {
		fmt.Println(mr.ResultReader().Read().Rows)
	}
	fmt.Println(code(mr.Close()))
	go func() { time.Sleep(300 * time.Millisecond); must(c.PgConn().CancelRequest(ctx)) }()
	_, err = c.Exec(ctx, "select pg_sleep(20)")
	fmt.Println(code(err))
	must(c.Close(ctx))
}

func withPq(url string) {
	ctx := context.Background()
	for _, more := range []string{"", "&binary_parameters=yes"} {
		db, err := sql.Open("postgres", url+more)
		must(err)
		db.SetMaxOpenConns(1)
		var n int
		var s sql.NullString
		var b []byte
		must(db.QueryRow("select $1::int + 1, $2::text, $3::bytea", 41, nil, []byte{0, 255}).Scan(&n, &s, &b))
		fmt.Println(n, s, b)
		_, err = db.Exec("create "+temp+"table u (a int primary key, b text)")
		must(err)
		tx, err := db.Begin()
		must(err)
		in, err := tx.Prepare(pq.CopyIn("u", "a", "b"))
		must(err)
		for i := 0; i < 300; i++ {
			_, err = in.Exec(i, fmt.Sprint("row\t", i))
			must(err)
		}
		_, err = in.Exec()
		must(err)
		must(in.Close())
		must(tx.Commit())
		q, err := db.Prepare("select b from u where a = $1")
		must(err)
		for i := 0; i < 3; i++ {
			must(q.QueryRow(i).Scan(&s))
			fmt.Println(s.String)
		}
		must(q.Close())
		_, err = db.Exec("insert into u values (1)")
		fmt.Println(code(err))
		_, err = db.Exec("selec")
		fmt.Println(code(err))
		r, err := db.Query("select 1; select 2")
		must(err)
		for more := true; more; more = r.NextResultSet() {
			for r.Next() {
				must(r.Scan(&n))
				fmt.Println(n)
			}
		}
		must(r.Close())
		short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		_, err = db.ExecContext(short, "select pg_sleep(20)")
		stop()
		fmt.Println(code(err))
		if shared {
			_, err = db.Exec("drop table u")
			must(err)
		}
		db.Close() // the connection is gone
	}
	if shared {
		return
	}
	l := pq.NewListener(url, time.Second, time.Minute, nil)
	must(l.Listen("news"))
	db, err := sql.Open("postgres", url)
	must(err)
	_, err = db.Exec("notify news, 'payload'")
	must(err)
	for n := range l.Notify {
		if n != nil {
			fmt.Println(n.Channel, n.Extra)
			break
		}
	}
	l.Close()
	must(db.Close())
}

func main() {
	withPgx(os.Args[1])
	withPq(os.Args[1])
}
