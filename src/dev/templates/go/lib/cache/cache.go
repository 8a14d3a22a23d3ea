// Package cache is the way to the product's Redis. It may be gone at any time: reading then finds nothing, and writing
// does nothing.
package cache

import (
	"context"
	"log"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const timeout = 2 * time.Second

// Cache is a pool of connections to Redis.
type Cache struct{ pool *redis.Pool }

// Open makes a cache at an address, redis://host:port/0 or unix:///path; it connects when it is first used.
func Open(url string) *Cache {
	options := []redis.DialOption{
		redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout),
	}
	dial := func() (redis.Conn, error) {
		if path, isSocket := strings.CutPrefix(url, "unix://"); isSocket {
			return redis.Dial("unix", path, options...)
		}
		return redis.DialURL(url, options...)
	}
	return &Cache{&redis.Pool{MaxIdle: 10, IdleTimeout: time.Minute, Dial: dial}}
}

// Close closes its connections.
func (c *Cache) Close() error { return c.pool.Close() }

// Ping fails if Redis does not answer.
func (c *Cache) Ping(ctx context.Context) error {
	_, err := c.do(ctx, "PING")
	return err
}

// Read is what is stored at a key, if anything is.
func (c *Cache) Read(ctx context.Context, key string) (string, bool) {
	text, err := redis.String(c.do(ctx, "GET", key))
	return text, err == nil
}

// Write stores a value for a while.
func (c *Cache) Write(ctx context.Context, key, value string, keep time.Duration) {
	_, _ = c.do(ctx, "SET", key, value, "PX", keep.Milliseconds())
}

// Forget removes what is stored at a key.
func (c *Cache) Forget(ctx context.Context, key string) { _, _ = c.do(ctx, "DEL", key) }

// Clear removes everything; for tests.
func (c *Cache) Clear(ctx context.Context) error {
	_, err := c.do(ctx, "FLUSHDB")
	return err
}

func (c *Cache) do(ctx context.Context, command string, arguments ...any) (any, error) {
	connection, err := c.pool.GetContext(ctx)
	if err == nil {
		defer connection.Close()
		var answer any
		if answer, err = connection.Do(command, arguments...); err == nil {
			return answer, nil
		}
	}
	log.Printf("the cache did not answer: %v", err)
	return nil, err
}
