package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

const (
	upstreamTimeout = 2 * time.Second // for each server
	upstreamUDPSize = 1232            // no fragments (DNS flag day 2020)
)

// upstream asks the machine's own name servers.
type upstream struct {
	servers []string
	asking  chan struct{}
}

func newUpstream(servers []string) *upstream {
	return &upstream{servers: servers, asking: make(chan struct{}, maxQuestions)}
}

// upstreamServers reads a resolv.conf(5).
func upstreamServers(resolvConf string) (servers []string, err error) {
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("read name servers: %w", err)
	}
	for _, server := range config.Servers {
		servers = append(servers, net.JoinHostPort(server, config.Port))
	}
	return servers, nil
}

// ask returns the first server's answer that is one, over the network the question came by: an
// answer that is too long for UDP is left for the asker to ask for again over TCP.
func (u *upstream) ask(ctx context.Context, q *dns.Msg, network string) *dns.Msg {
	select {
	case u.asking <- struct{}{}:
		defer func() { <-u.asking }()
	default:
		return failure(q, dns.RcodeServerFailure)
	}
	for _, server := range u.servers {
		answer, err := exchange(ctx, q, network, server)
		if err != nil || answer.Rcode == dns.RcodeServerFailure || answer.Rcode == dns.RcodeRefused {
			continue
		}
		answer.Id = q.Id
		return answer
	}
	return failure(q, dns.RcodeServerFailure)
}

// exchange asks one server, and gives up when ctx ends.
func exchange(ctx context.Context, q *dns.Msg, network, server string) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: upstreamTimeout, UDPSize: upstreamUDPSize}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	question := q.Copy()
	question.Id = dns.Id() // ours: whoever asks may want to be easy to guess
	answer, _, err := client.ExchangeWithConn(question, conn)
	return answer, err
}
