#include "api/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t given;
	char *conninfo;
	struct store **idle; /* a stack: the one used last is the one most likely connected */
	size_t nidle, made, max;
	bool closed;
};

struct pool *pool_new(const char *conninfo, size_t max)
{
	struct pool *p = xcalloc(1, sizeof *p);
	p->conninfo = xstrdup(conninfo);
	p->idle = xcalloc(max, sizeof(struct store *));
	p->max = max;
	pthread_condattr_t attr;
	(void)pthread_condattr_init(&attr);                      /* these four fail only for */
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* arguments that ours are not */
	(void)pthread_cond_init(&p->given, &attr);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_destroy(&attr);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	while (p->nidle > 0)
		store_free(p->idle[--p->nidle]);
	(void)pthread_cond_destroy(&p->given);
	(void)pthread_mutex_destroy(&p->lock);
	free(p->idle);
	free(p->conninfo);
	free(p);
}

static struct timespec in_ms(int64_t ms)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

enum err_class pool_take(struct pool *p, int64_t wait_ms, struct store **ret, struct err *e)
{
	struct timespec until = in_ms(wait_ms);
	struct store *s = NULL;
	int rc = 0;
	(void)pthread_mutex_lock(&p->lock);
	while (!p->closed && p->nidle == 0 && p->made == p->max && rc == 0)
		rc = pthread_cond_timedwait(&p->given, &p->lock, &until);
	if (!p->closed && p->nidle > 0) {
		s = p->idle[--p->nidle];
	} else if (!p->closed && p->made < p->max) {
		p->made++;
		s = store_new(p->conninfo);
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (!s)
		return err_set(e, TRANSIENT, R_OutOfResources, "all %zu database connections of the API are busy", p->max);
	*ret = s;
	return OK;
}

void pool_give(struct pool *p, struct store *s)
{
	if (!s)
		return;
	store_rollback(s); /* no transaction outlives its request */
	(void)pthread_mutex_lock(&p->lock);
	p->idle[p->nidle++] = s;
	(void)pthread_cond_signal(&p->given);
	(void)pthread_mutex_unlock(&p->lock);
}

void pool_close(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->closed = true;
	(void)pthread_cond_broadcast(&p->given);
	(void)pthread_mutex_unlock(&p->lock);
}
