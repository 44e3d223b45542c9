-- Applies a change to a live session and, with ARGV[3], replaces its secret: all or nothing.
-- ARGV: 1 deadline; 2 operation, change and renewal; 3 rotation or ''; 4 new fields; preconditions (name, version); names to drop.
-- What is refused is answered with the record: the caller judges it by the reference rules.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = tonumber(ARGV[1])
if now >= deadline then return {now, 'LATE'} end

local all = redis.call('GET', KEYS[1])
if not all then return {now, 'MISSING'} end
if #all < 110 or string.sub(all, 1, 4) ~= 'uR\1\0' then return {now, 'NO', all} end
local at, presented, issued, op, keep, clear, max, added, renewed, again_issued, conditions =
  struct.unpack('>i8c16i8c16i8Bi8i8i8i8I4', ARGV[2])
local head, idle, reissued, secret, absolute, aside, ops_at, fields_at = struct.unpack('>c4i8i8c16i8i8I4I4', all)
if ops_at < 110 or fields_at < ops_at or fields_at > #all or (fields_at - ops_at) % 24 ~= 0 then return {now, 'NO', all} end

-- an operation that is in already
local seen = nil
if ops_at < fields_at then
  local ops = string.sub(all, ops_at + 1, fields_at)
  seen = string.find(ops, op, 1, true)
  while seen and (seen - 1) % 24 ~= 0 do seen = string.find(ops, op, seen + 1, true) end
end
if not seen and now < aside then seen = redis.call('ZSCORE', KEYS[1] .. ':o', op) end
if seen then return {now, 'AGAIN', all} end

-- the credential's standing: 0 current, 1 in its grace, 2 reordered
if at >= idle or at >= absolute then return {now, 'NO', all} end
local proof = 0
if presented ~= secret then
  local previous, grace, since, had = struct.unpack('>c16i8i8B', all, 77)
  if had == 0 or presented ~= previous then return {now, 'NO', all} end
  if at < grace then proof = 1 elseif since ~= 0 and issued >= since then proof = 2 else return {now, 'NO', all} end
end
local rotation = ARGV[3]
local graced = 0
local next_secret, grace_until, next_idle, overlap, renamed
if rotation ~= '' then
  next_secret, graced, grace_until, next_idle, overlap, renamed = struct.unpack('>c16Bi8i8i8B', rotation)
  if proof == 1 and graced == 0 then return {now, 'NO', all} end
end

-- the fields: runs of those that stay are copied whole; names of other lengths than those asked for are not even looked at
local expected = nil
local arg = 5
local lengths = {}
if conditions > 0 then
  expected = {}
  for _ = 1, conditions do
    expected[ARGV[arg]] = ARGV[arg + 1]
    lengths[#ARGV[arg]] = true
    arg = arg + 2
  end
end
local drop = {}
for i = arg, #ARGV do
  drop[ARGV[i]] = true
  lengths[#ARGV[i]] = true
end
local pieces = {false, false, false, ARGV[4]}
local size, dropped = 0, 0
local sub, unpack_numbers = string.sub, struct.unpack
local pos, from, stop = fields_at + 1, fields_at + 1, #all + 1
while pos < stop do
  if pos + 16 > stop then return {now, 'NO', all} end
  local name_length, value_length = unpack_numbers('>I4I4', all, pos)
  local after = pos + 16 + name_length + value_length
  if after > stop then return {now, 'NO', all} end
  size = size + name_length + value_length
  if lengths[name_length] then
    local name = sub(all, pos + 16, pos + 15 + name_length)
    if expected and expected[name] then
      if expected[name] ~= sub(all, pos + 8, pos + 15) then return {now, 'NO', all} end
      expected[name] = nil
    end
    if drop[name] then
      dropped = dropped + name_length + value_length
      if from < pos then pieces[#pieces + 1] = sub(all, from, pos - 1) end
      from = after
    end
  end
  pos = after
end
if expected then
  for _, version in pairs(expected) do
    if version ~= '\0\0\0\0\0\0\0\0' then return {now, 'NO', all} end
  end
end
local total = added
if clear == 0 then total = size - dropped + added end
if max > 0 and total > max and total > size then return {now, 'NO', all} end
if clear == 1 then
  pieces = {false, false, false, ARGV[4]}
elseif from < stop then
  pieces[#pieces + 1] = string.sub(all, from)
end

-- operations to remember: many within their deadlines are put aside, so that the record stays small
local first = ops_at + 1
while first < fields_at and unpack_numbers('>i8', all, first + 16) <= now do first = first + 24 end
if fields_at - first >= 768 then
  local members = {}
  for i = first, fields_at - 23, 24 do
    local till = unpack_numbers('>i8', all, i + 16)
    members[#members + 1] = till
    members[#members + 1] = sub(all, i, i + 15)
    if till > aside then aside = till end
  end
  local side = KEYS[1] .. ':o'
  redis.call('ZADD', side, unpack(members))
  redis.call('ZREMRANGEBYSCORE', side, '-inf', now)
  redis.call('PEXPIREAT', side, aside + 1000)
  first = fields_at + 1
end
local kept = fields_at + 1 - first

-- deadlines, secrets, principal
local before = idle
if renewed > idle then idle = math.min(renewed, absolute) end
if again_issued > reissued then reissued = again_issued end
local rotated = 0
if rotation == '' or proof == 1 then
  if first == ops_at + 1 then
    pieces[2] = sub(all, 61, fields_at)
  else
    pieces[2] = sub(all, 61, ops_at) .. sub(all, first, fields_at)
  end
else
  local turned, created = struct.unpack('>i8i8', all, 61)
  local principal = sub(all, 110, ops_at)
  local previous, since = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 0
  if graced == 1 then
    previous = secret
    if reissued >= overlap then since = math.max(overlap, turned + 1) end
  end
  if renamed == 1 then principal = '\1' .. sub(rotation, 43) end
  secret, reissued, rotated = next_secret, 0, 1
  if next_idle > idle then idle = math.min(next_idle, absolute) end
  pieces[2] = struct.pack('>i8i8c16i8i8B', at, created, previous, grace_until, since, graced) .. principal .. sub(all, first, fields_at)
  ops_at = 109 + #principal
end
pieces[3] = struct.pack('>c16i8', op, deadline + keep)
pieces[1] = struct.pack('>c4i8i8c16i8i8I4I4', head, idle, reissued, secret, absolute, aside, ops_at, ops_at + kept + 24)

if idle == before then
  redis.call('SET', KEYS[1], table.concat(pieces), 'KEEPTTL')
else
  redis.call('SET', KEYS[1], table.concat(pieces), 'PXAT', math.min(math.max(idle, now) + 300000, 9e15))
end
return {now, 'DONE', proof, idle, rotated, absolute}
