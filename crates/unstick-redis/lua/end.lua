-- Leaves a tombstone, whether or not there is a session.
-- ARGV: 1 deadline; 2 time, end of the tombstone, operation, whether anybody may, credential.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now >= tonumber(ARGV[1]) then return {now, 'LATE'} end

local at, till, op, anybody, presented, issued = struct.unpack('>i8i8c16Bc16i8', ARGV[2])
local old = redis.call('GETRANGE', KEYS[1], 0, 109)
local ended, by, live = at, op, 0
if old ~= '' then
  local head = string.sub(old, 1, 4)
  if head == 'uR\1\0' and #old == 110 then
    local idle, _, secret, absolute = struct.unpack('>i8i8c16i8', old, 5)
    if anybody == 0 and at < idle and at < absolute and presented ~= secret then
      local rotated = struct.unpack('>i8', old, 61)
      local previous, grace, since, had = struct.unpack('>c16i8i8B', old, 77)
      if had == 0 or presented ~= previous or (at >= grace and (since == 0 or issued < since)) then
        return {now, 'SUPERSEDED', rotated}
      end
    end
    live = 1
  elseif head == 'uR\1\1' and #old == 37 then
    local before
    ended, before, by, live = struct.unpack('>i8i8c16B', old, 5)
    till = math.max(till, before)
  else
    return {now, 'NO', old}
  end
end

local tombstone = struct.pack('>c4i8i8c16B', 'uR\1\1', ended, till, by, live)
local expiry = math.min(math.max(till, now + 300000), 9e15)
local set = redis.pcall('SET', KEYS[1], tombstone, 'PXAT', expiry)
if set.err then
  if not string.find(set.err, 'OOM', 1, true) then return set end
  -- a full server lets go of the session first, and then takes the smaller tombstone: logging out always works
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], tombstone, 'PXAT', expiry)
end
return {now, 'DONE', (live == 1 and by == op) and 1 or 0}
