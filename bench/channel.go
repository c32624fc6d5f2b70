// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// fewSubscribers is the small channel that the large one is compared with.
const fewSubscribers = 1000

// rounds is how often the two channels take turns, so that whatever else the machine does meets both.
const rounds = 12

// channels posts in turn to a channel of few subscribers and to one of many, and prints what a post costs in each.
func channels(ctx context.Context, srv *server, many int, o options) error {
	owner, err := register(ctx, srv.url, "poster")
	if err != nil {
		return err
	}
	var posters [2]*poster
	for i, n := range []int{fewSubscribers, many} {
		if posters[i], err = newPoster(ctx, srv, owner.AccessToken, n, o.window); err != nil {
			return err
		}
	}
	if err := srv.sql("VACUUM ANALYZE channel_subscribers, user_channels", "CHECKPOINT"); err != nil {
		return err
	}
	for _, p := range posters { // Warm.
		if err := p.measure(ctx, srv, o, 2*time.Second); err != nil {
			return err
		}
		p.spent, p.cpu, p.posts = nil, usage{}, 0
	}
	each := time.Duration(o.seconds) * time.Second / rounds
	var slower, dearer []float64 // in each round: how much the large one was
	for round := range rounds {
		var was [2]poster
		for i := range posters {
			at := (i + round) % 2
			was[at] = *posters[at]
			if err := posters[at].measure(ctx, srv, o, each); err != nil {
				return err
			}
		}
		few, lots := posters[0].since(&was[0]), posters[1].since(&was[1])
		slower, dearer = append(slower, float64(lots.at(50))/float64(few.at(50))), append(dearer, lots.perPost()/few.perPost())
	}
	for _, p := range posters {
		fmt.Printf("%9d subscribers: %6d posts, p50 %7v, p99 %7v, CPU for 1,000 posts: server %.3f s, PostgreSQL %.3f s\n",
			p.subscribers, p.posts, p.at(50), p.at(99), p.cpu.server/float64(p.posts)*1000, p.cpu.postgres/float64(p.posts)*1000)
	}
	slices.Sort(slower)
	slices.Sort(dearer)
	fmt.Printf("ratio %d to %d subscribers, median of %d rounds: p50 %.2f, CPU %.2f (quartiles %.2f to %.2f)\n",
		many, fewSubscribers, rounds, slower[rounds/2], dearer[rounds/2], dearer[rounds/4], dearer[rounds*3/4])
	return nil
}

// poster writes in a channel over a socket.
type poster struct {
	subscribers int
	out         *pair // without a receiver
	tokens      chan struct{}
	posts       int
	spent       []time.Duration
	cpu         usage
}

func newPoster(ctx context.Context, srv *server, token string, subscribers, window int) (*poster, error) {
	var c frame.Conversation
	visibility := "public"
	in := rest.CreateConversation{Type: "channel", Name: fmt.Sprint(subscribers), Visibility: &visibility}
	if err := post(ctx, srv.url+"/api/v1/conversations", token, in, &c); err != nil {
		return nil, err
	}
	begin := time.Now()
	err := srv.sql(
		fmt.Sprintf(`INSERT INTO channel_subscribers (shard, conv, user_id, since_seq, read_seq, read_count, subscribed_at)
			SELECT c.shard, c.conv, 's' || i || '@localhost', 0, 0, 0, 0 FROM conversations c, generate_series(1, %d) AS i WHERE c.name = '%[1]d'`, subscribers),
		fmt.Sprintf(`INSERT INTO channel_counts (shard, conv, subscribers) SELECT shard, conv, %d FROM conversations WHERE name = '%[1]d'`, subscribers),
		fmt.Sprintf(`INSERT INTO user_channels (shard, user_id, conversation_id, subscribed_at)
			SELECT i %% (SELECT count(*) FROM shards), 's' || i || '@localhost', c.id, 0 FROM conversations c, generate_series(1, %d) AS i WHERE c.name = '%[1]d'`, subscribers),
	)
	if err != nil {
		return nil, err
	}
	fmt.Printf("a channel with %d subscribers, made in %v\n", subscribers, time.Since(begin).Round(time.Millisecond))
	conn, err := connect(ctx, srv.url, token)
	if err != nil {
		return nil, err
	}
	p := &poster{subscribers: subscribers, tokens: make(chan struct{}, window)}
	p.out = &pair{conversation: c.ConversationID, from: conn, at: map[string]time.Time{}}
	for range window {
		p.tokens <- struct{}{}
	}
	go p.out.acks(ctx, p.tokens)
	return p, nil
}

// measure keeps a window of posts under way for a while, until the last is acknowledged.
func (p *poster) measure(ctx context.Context, srv *server, o options, d time.Duration) error {
	before, err := srv.usage()
	if err != nil {
		return err
	}
	text := strings.Repeat("x", o.size)
	for end := time.Now().Add(d); time.Now().Before(end); p.posts++ {
		<-p.tokens
		if err := p.out.send(ctx, text); err != nil {
			return err
		}
	}
	for range o.window {
		<-p.tokens
	}
	after, err := srv.usage()
	if err != nil {
		return err
	}
	for range o.window {
		p.tokens <- struct{}{}
	}
	p.spent = append(p.spent, p.out.latencies()...)
	p.out.spent = nil
	used := after.sub(before)
	p.cpu.server, p.cpu.postgres = p.cpu.server+used.server, p.cpu.postgres+used.postgres
	return nil
}

// since is what p measured after it was as before.
func (p *poster) since(before *poster) *poster {
	return &poster{posts: p.posts - before.posts, cpu: p.cpu.sub(before.cpu), spent: slices.Clone(p.spent[len(before.spent):])}
}

func (p *poster) at(percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(p.spent))
	return sorted[len(sorted)*percent/100].Round(10 * time.Microsecond)
}

func (p *poster) perPost() float64 { return (p.cpu.server + p.cpu.postgres) / float64(p.posts) }

// sql runs statements in the server's private PostgreSQL, with psql.
func (s *server) sql(statements ...string) error {
	raw, err := os.ReadFile(filepath.Join(s.dir, "data", "postgres", "postmaster.pid"))
	if err != nil {
		return err
	}
	lines := strings.Split(string(raw), "\n")
	if len(lines) < 5 {
		return fmt.Errorf("postmaster.pid has %d lines", len(lines))
	}
	args := []string{"-qX", "-v", "ON_ERROR_STOP=1", "-h", lines[4], "-p", strings.TrimSpace(lines[3]), "-U", "postgres", "-d", "parley"}
	if _, err := strconv.Atoi(strings.TrimSpace(lines[3])); err != nil {
		return err
	}
	for _, q := range statements {
		if out, err := exec.Command("psql", append(args, "-c", q)...).CombinedOutput(); err != nil {
			return fmt.Errorf("psql: %w: %s", err, out)
		}
	}
	return nil
}
