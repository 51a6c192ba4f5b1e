/**
 * What must happen in one step, as scripts.
 *
 * @module
 */
import { luaScript } from "../../net/redis/script.ts";

/**
 * Delivers entries once more to the consumer that has them, each as its delivery of a given number; without a number it only counts as
 * young again. Those that somebody else has taken meanwhile stay there.
 *
 * `KEYS`: stream. `ARGV`: group, consumer, then (id, number or "")*. Answers `[id, fields]` each; without fields, it was deleted.
 */
export const KEEP = luaScript(`
local kept = {}
for i = 3, #ARGV, 2 do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if pending and pending[2] == ARGV[2] then
    if ARGV[i + 1] == '' then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    else
      local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', ARGV[i + 1])[1]
      if type(entry) ~= 'table' then
        redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
        entry = {ARGV[i]}
      end
      kept[#kept + 1] = entry
    end
  end
end
return kept`);

/**
 * Moves an entry to the dead stream, with what is known of its death behind its own fields, and acknowledges it. Nothing is done for
 * one that is acknowledged already.
 *
 * `KEYS`: stream, dead stream. `ARGV`: group, id, reason, consumer.
 */
export const BURY = luaScript(`
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if not pending then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if entry then
  local fields = entry[2]
  for _, each in ipairs({'reason', ARGV[3], 'attempts', tostring(pending[4]), 'id', ARGV[2], 'consumer', ARGV[4]}) do
    fields[#fields + 1] = each
  end
  redis.call('XADD', KEYS[2], '*', unpack(fields))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return entry and 1 or 0`);

/** Acknowledges entries and deletes them. `KEYS`: stream. `ARGV`: group, id... */
export const ACKNOWLEDGE_AND_DELETE = luaScript(`
for i = 2, #ARGV do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('XDEL', KEYS[1], ARGV[i])
end
return #ARGV - 1`);

/**
 * Removes what every group is done with: what is before the oldest entry that is pending or not delivered in any of them.
 *
 * `KEYS`: stream. Answers how many were removed, and the group that holds back most with the number of its consumers.
 */
export const TRIM = luaScript(`
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return {0} end
local least, slowest
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local id = group['last-delivered-id']
  if group.pending > 0 then id = redis.call('XPENDING', KEYS[1], group.name)[2] end
  local ms, seq = id:match('(%d+)-(%d+)')
  ms, seq = tonumber(ms), tonumber(seq)
  if group.pending == 0 then seq = seq + 1 end
  if not least or ms < least[1] or (ms == least[1] and seq < least[2]) then least, slowest = {ms, seq}, group end
end
if not least then return {0} end
local removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-%.0f', least[1], least[2]))
return {removed, slowest.name, slowest.consumers}`);

/**
 * Moves an entry of the dead stream back to where it came from. Nothing is done for one that is not there any more.
 *
 * `KEYS`: dead stream, stream. `ARGV`: id, then the fields that it had and their values.
 */
export const PUT_BACK = luaScript(`
if not redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1] then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], ARGV[1])
return 1`);
