#!lua name=carillon
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end

redis.register_function{function_name = 'version', flags = {'no-writes'}, callback = function() return 4 end}

-- takeover  KEYS[1] = claim; ARGV: value seen, new value, ttl_ms, skew_ms.
-- FREE: nobody was sending (deadline 0). AMBIG: the earlier attempt died in mid-send. Both: the claim is now ours.
redis.register_function('takeover', function(k, a)
  local cur = redis.call('GET', k[1])
  if not cur then return {'GONE'} end
  if string.sub(cur, 1, 2) ~= 'C|' then return {'DONE', cur} end
  if cur ~= a[1] then return {'CHANGED', cur} end
  local deadline = tonumber(string.match(cur, '|(%d+)$'))
  if not deadline then return {'CORRUPT', cur} end
  local left = deadline + tonumber(a[4]) - math.floor(now_us() / 1000)
  if deadline > 0 and left > 0 then return {'BUSY', left} end
  redis.call('SET', k[1], a[2], 'PX', a[3])
  return {deadline > 0 and 'AMBIG' or 'FREE', cur}
end)

-- swap  KEYS[1] = claim; ARGV: value seen, new value ('' deletes), ttl_ms.  Release, write-back, renewal, settling F and X.
redis.register_function('swap', function(k, a)
  local cur = redis.call('GET', k[1])
  if not cur then return {'GONE'} end
  if cur ~= a[1] then return {'CHANGED', cur} end
  if a[2] == '' then redis.call('DEL', k[1]) else redis.call('SET', k[1], a[2], 'PX', a[3]) end
  return {'OK'}
end)

local function fields(v)
  local f = {}
  for x in string.gmatch(v .. '|', '([^|]*)|') do f[#f + 1] = x end
  return f
end
local function own(x, y) return x[2] == y[2] and x[3] == y[3] end   -- event and origin

-- settle  KEYS[1] = claim; ARGV: S value, ttl_ms.  An S after the own lease, or written again: what is there decides its risk.
redis.register_function('settle', function(k, a)
  local cur, new = redis.call('GET', k[1]), fields(a[1])
  local old = cur and fields(cur) or {}
  local risk, seen = tonumber(new[6]), tonumber(old[6]) or 0
  if own(old, new) and old[1] == 'X' then return {'X', cur} end
  if own(old, new) and old[4] == new[4] then
    new[5] = text(math.max(tonumber(new[5]), tonumber(old[5]) or 0))
    risk = math.max(risk, seen)
  elseif own(old, new) then
    new[5] = text(tonumber(new[5]) + (tonumber(old[5]) or 0))
    risk = math.max(risk, seen) + 1
  else risk = risk + 1 end
  new[6] = text(risk)
  local v = table.concat(new, '|')
  redis.call('SET', k[1], v, 'PX', a[2])
  return {'OK', v}
end)

-- restore  KEYS[1] = claim; ARGV: C, F or X value, ttl_ms.  Writes again what Redis may have lost, never over what is newer.
redis.register_function('restore', function(k, a)
  local cur, new = redis.call('GET', k[1]), fields(a[1])
  if cur then
    local old = fields(cur)
    local older = old[1] == 'C' and own(old, new)
      and (new[1] ~= 'C' or (old[4] == new[4] and tonumber(old[6]) <= tonumber(new[6])))
    if not older then return {'CHANGED', cur} end
  end
  redis.call('SET', k[1], a[1], 'PX', a[2])
  return {'OK', a[1]}
end)

-- reserve  KEYS[1] = s1:{route}, KEYS[2] = s1:{route}:cool; ARGV: interval_us, n, horizon_us
--   ->  granted, first_slot_us | wait_us, now_us.  Unknown state costs a learning delay, never a burst. So does a state
--   farther ahead than any reservation goes: the clock went back, and what was granted before is over within that delay.
redis.register_function('reserve', function(k, a)
  local now, T, n, H = now_us(), tonumber(a[1]), tonumber(a[2]), tonumber(a[3])
  local cool = tonumber(redis.call('GET', k[2]) or 0)
  if cool > now then return {0, math.ceil(cool - now), text(now)} end
  local v = redis.call('GET', k[1])
  local learnt = now + H + T
  local tat = v and tonumber(v) or learnt
  if tat > learnt + H + T + 1000000 then v, tat = nil, learnt end
  if tat < now then tat = now end
  local room = tat <= now + H and math.floor((now + H - tat) / T) + 1 or 0
  if room < n then n = room end
  if n > 0 or not v then
    redis.call('SET', k[1], text(tat + n * T), 'PX', math.ceil((tat + n * T - now) / 1000) + 60000)
  end
  if n < 1 then return {0, math.ceil(tat - now - H), text(now)} end
  return {n, text(tat), text(now)}
end)

-- cool  KEYS[1] = s1:{route}:cool; ARGV: until_us.  Only ever later.
redis.register_function('cool', function(k, a)
  local now, till = now_us(), tonumber(a[1])
  if till <= now or till <= tonumber(redis.call('GET', k[1]) or 0) then return 0 end
  redis.call('SET', k[1], text(till), 'PX', math.ceil((till - now) / 1000))
  return 1
end)

-- put  KEYS[1] = state of a subject; ARGV: aspect, offset, bytes ('' removes).  The value is a row of pieces
-- aspect|offset|length|bytes; a piece is replaced only by a higher offset of its topic partition.
local function pieces(cur, visit)
  local at = 1
  while at <= #cur do
    local head, stop, aspect, offset, size = string.find(cur, '^([%w_]+)|(%d+)|(%d+)|', at)
    if not head then return false end
    visit(aspect, tonumber(offset), string.sub(cur, at, stop + size), string.sub(cur, stop + 1, stop + size))
    at = stop + size + 1
  end
  return true
end
local function put(key, name, at, bytes)
  local kept, newer = '', false
  local good = pieces(redis.call('GET', key) or '', function(aspect, offset, piece)
    if aspect ~= name then kept = kept .. piece
    elseif offset >= tonumber(at) then newer = true end
  end)
  if not good then return redis.error_reply('CORRUPT state') end
  if newer then return 0 end
  redis.call('SET', key, kept .. name .. '|' .. at .. '|' .. #bytes .. '|' .. bytes)
  return 1
end
redis.register_function('put', function(k, a) return put(k[1], a[1], a[2], a[3]) end)

-- book  KEYS[1] = state of a booking; ARGV: offset, then the bytes of revision, cancelled and confirmed ('': not said).
-- Each is a piece; what is not said stays. But a confirmation is of its revision: another one starts unconfirmed.
redis.register_function('book', function(k, a)
  local revision, when, known = '\24\0', -1, false
  local good = pieces(redis.call('GET', k[1]) or '', function(aspect, offset, piece, bytes)
    if aspect == 'revision' then revision, when = bytes, offset end
    known = known or aspect == 'confirmed'
  end)
  if not good then return redis.error_reply('CORRUPT state') end
  if known and a[2] ~= '' and a[4] == '' and a[2] ~= revision and when < tonumber(a[1]) then a[4] = '\40\0' end
  local changed = 0
  for i, name in ipairs({'revision', 'cancelled', 'confirmed'}) do
    if a[i + 1] ~= '' then changed = changed + put(k[1], name, a[1], a[i + 1]) end
  end
  return changed
end)

-- cap  KEYS[1] = f1:{customer, class}; ARGV: event|origin, at_ms, 'count/period_ms ' for each cap.
-- How many other events stand in the windows that end at at_ms: CAPPED where they are enough, else the event is COUNTED,
-- or KNOWN where it was before (at the time of then).
redis.register_function('cap', function(k, a)
  local at, longest = tonumber(a[2]), 0
  local mine = tonumber(redis.call('ZSCORE', k[1], a[1]) or nil)
  for count, period in string.gmatch(a[3], '(%d+)/(%d+) ') do
    local from = at - tonumber(period)
    local others = redis.call('ZCOUNT', k[1], '(' .. text(from), text(at))
    if mine and mine > from and mine <= at then others = others - 1 end
    if others >= tonumber(count) then return {'CAPPED'} end
    longest = math.max(longest, tonumber(period))
  end
  redis.call('ZREMRANGEBYSCORE', k[1], '-inf', text(at - longest))
  local new = redis.call('ZADD', k[1], 'NX', text(at), a[1])
  redis.call('PEXPIRE', k[1], text(longest))
  return {new == 1 and 'COUNTED' or 'KNOWN'}
end)
