/**
 * What must happen in one step, as scripts.
 *
 * A transaction (`MULTI`) would not do: a command that fails in one leaves the others standing. In a script the error ends it, and a
 * server that has no memory left refuses the first write only. So everything is checked first, and **the first write is the `XADD`**.
 *
 * @module
 */
import { luaScript } from "../../net/redis/script.ts";

/**
 * Writes a batch: entries, position, number of the write. Repeated, it says `APPLIED` and writes nothing.
 *
 * `KEYS`: cursor, writer, stream... `ARGV`: token, n, cursor or "", mark, maxlen, least age in milliseconds, then (number of the
 * stream, field, value)*.
 */
export const WRITE = luaScript(`
local w = redis.call('HMGET', KEYS[2], 'token', 'n')
if w[1] ~= ARGV[1] then return {'FENCED', w[1] or ''} end
local n, done = tonumber(ARGV[2]), tonumber(w[2])
if done >= n then return {'APPLIED'} end
if done < n - 1 then return {'REWOUND', done} end
local length, mark = 0, tonumber(ARGV[4])
for i = 3, #KEYS do
  local t = redis.call('TYPE', KEYS[i]).ok
  if t ~= 'stream' and t ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. t) end
  length = length + redis.call('XLEN', KEYS[i])
end
if mark > 0 and length >= mark and #ARGV > 6 then return {'FULL', length} end
for i = 7, #ARGV, 3 do redis.call('XADD', KEYS[2 + tonumber(ARGV[i])], '*', ARGV[i + 1], ARGV[i + 2]) end
if ARGV[3] ~= '' then redis.call('SET', KEYS[1], ARGV[3]) end
redis.call('HSET', KEYS[2], 'n', ARGV[2])
for i = 3, #KEYS do
  if ARGV[5] ~= '0' then redis.call('XTRIM', KEYS[i], 'MAXLEN', '~', ARGV[5]) end
  if ARGV[6] ~= '0' then redis.call('XTRIM', KEYS[i], 'MINID', '~', redis.call('TIME')[1] * 1000 - ARGV[6]) end
end
length = 0
for i = 3, #KEYS do length = length + redis.call('XLEN', KEYS[i]) end
return {'OK', length}`);

/**
 * Becomes the writer where there is none, or in place of one that is known to be gone, and says the position.
 *
 * `KEYS`: cursor, writer. `ARGV`: token, milliseconds that it lasts, tokens of those that are gone...
 */
export const ACQUIRE = luaScript(`
local token, free = redis.call('HGET', KEYS[2], 'token'), false
if not token then free = true end
for i = 3, #ARGV do if token == ARGV[i] then free = true end end
if not free then return {'HELD', token, redis.call('PTTL', KEYS[2])} end
redis.call('HSET', KEYS[2], 'token', ARGV[1], 'n', '0')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {'OK', redis.call('GET', KEYS[1])}`);

/** Stays the writer. `KEYS`: writer. `ARGV`: token, milliseconds. */
export const RENEW = luaScript(`
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`);

/** Is the writer no longer. `KEYS`: writer. `ARGV`: token. */
export const RELEASE = luaScript(`
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`);
