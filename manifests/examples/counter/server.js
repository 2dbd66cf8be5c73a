'use strict';
// Counts in memory: POST /count/NAME adds one (or ?by=N), GET /count/NAME reads, GET /counts lists all.
const http = require('node:http');

const MAX_NAMES = 10000;
const counts = new Map();

function answer(res, status, value) {
	const body = JSON.stringify(value) + '\n';
	res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
	res.end(body);
}

function add(res, name, by) {
	if (!Number.isSafeInteger(by))
		return answer(res, 400, { error: 'by must be a whole number' });
	if (!counts.has(name) && counts.size >= MAX_NAMES)
		return answer(res, 507, { error: `at most ${MAX_NAMES} names` });
	counts.set(name, (counts.get(name) ?? 0) + by);
	answer(res, 200, { name, count: counts.get(name) });
}

function handle(req, res) {
	const url = new URL(req.url, 'http://counter');
	const name = /^\/count\/([\w.-]{1,64})$/.exec(url.pathname)?.[1];
	if (url.pathname === '/healthz')
		return answer(res, 200, { ok: true });
	if (req.method === 'GET' && url.pathname === '/')
		return answer(res, 200, { names: counts.size, stage: process.env.STAGE, try: 'POST /count/visits' });
	if (req.method === 'GET' && url.pathname === '/counts')
		return answer(res, 200, Object.fromEntries(counts));
	if (name && req.method === 'GET')
		return answer(res, 200, { name, count: counts.get(name) ?? 0 });
	if (name && req.method === 'POST')
		return add(res, name, Number(url.searchParams.get('by') ?? 1));
	answer(res, 404, { error: 'not found' });
}

const server = http.createServer((req, res) => {
	req.resume();
	try {
		handle(req, res);
	} catch (error) {
		answer(res, 400, { error: error.message });
	}
});
server.listen(Number(process.env.PORT ?? 8080), () => console.log('listening on', server.address().port));

process.on('SIGTERM', () => {
	server.close(() => process.exit(0));
	server.closeIdleConnections();
});
