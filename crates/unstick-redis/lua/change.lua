-- Applies changes to live sessions and, where there is a rotation, replaces their secrets: each change all or nothing, for itself.
-- ARGV for each key: 1 how many more of them are its own; 2 deadline; 3 operation, change and renewal, and rotation if there is one;
-- 4 new fields; preconditions (name, version); names to drop. Answers with the time, and for each key with what became of it.
-- What is refused is answered with the record: the caller judges it by the reference rules.
local call, sub, find, pack, unpack_numbers, KEYS, ARGV = redis.call, string.sub, string.find, struct.pack, struct.unpack, KEYS, ARGV
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function change(key, first_arg, last_arg)
  local deadline = tonumber(ARGV[first_arg])
  if now >= deadline then return 'LATE' end

  local all = call('GET', key)
  if not all then return 'MISSING' end
  local length = #all
  if length < 110 or sub(all, 1, 4) ~= 'uR\1\0' then return {'NO', all} end
  local asked = ARGV[first_arg + 1]
  local at, presented, issued, op, keep, clear, max, added, renewed, again_issued, conditions, rotation_at =
    unpack_numbers('>i8c16i8c16i8Bi8i8i8i8I4', asked)
  local idle, reissued, secret, absolute, aside, ops_at, fields_at = unpack_numbers('>i8i8c16i8i8I4I4', all, 5)
  if ops_at < 110 or fields_at < ops_at or fields_at > length or (fields_at - ops_at) % 24 ~= 0 then return {'NO', all} end

  -- an operation that is in already
  if ops_at < fields_at then
    -- in their place, unless so much is behind them that looking there would take longer than a copy
    local ops, before = all, ops_at
    if length - fields_at > 2048 then ops, before = sub(all, ops_at + 1, fields_at), 0 end
    local behind = before + fields_at - ops_at
    local seen = find(ops, op, before + 1, true)
    while seen and seen <= behind do
      if (seen - 1 - before) % 24 == 0 then return {'AGAIN', all} end
      seen = find(ops, op, seen + 1, true)
    end
  end
  if now < aside and call('ZSCORE', key .. ':o', op) then return {'AGAIN', all} end

  -- the credential's standing: 0 current, 1 in its grace, 2 reordered
  if at >= idle or at >= absolute then return {'NO', all} end
  local proof = 0
  if presented ~= secret then
    local previous, grace, since, had = unpack_numbers('>c16i8i8B', all, 77)
    if had == 0 or presented ~= previous then return {'NO', all} end
    if at < grace then proof = 1 elseif since ~= 0 and issued >= since then proof = 2 else return {'NO', all} end
  end
  local rotates = rotation_at <= #asked
  local graced = 0
  local next_secret, grace_until, next_idle, overlap, renamed, principal_at
  if rotates then
    next_secret, graced, grace_until, next_idle, overlap, renamed, principal_at = unpack_numbers('>c16Bi8i8i8B', asked, rotation_at)
    if proof == 1 and graced == 0 then return {'NO', all} end
  end

  -- the fields, until those asked for are found: runs of those that stay are copied whole; names of other lengths are not even looked
  -- at. All are gone through if how large they are could matter, and before a new secret is given to a record; else what cannot be
  -- read further behind stays as it is, for who reads it to find.
  local stop = length + 1
  local missing, expected, drop, lengths = 0, nil, nil, nil
  local arg = first_arg + 3
  local only, only_length = nil, -1
  if conditions == 0 and arg == last_arg then
    -- one name to drop, as a rule
    only, missing = ARGV[arg], 1
    only_length = #only
  elseif arg <= last_arg then
    expected, drop, lengths = {}, {}, {}
    for _ = 1, conditions do
      expected[ARGV[arg]] = ARGV[arg + 1]
      lengths[#ARGV[arg]] = true
      missing = missing + 1
      arg = arg + 2
    end
    for i = arg, last_arg do
      local name = ARGV[i]
      if not expected[name] then missing = missing + 1 end
      drop[name] = true
      lengths[#name] = true
    end
  end
  local measured = max > 0 and added + stop - fields_at > max
  local whole = measured or rotates
  local runs = nil
  local size, dropped = 0, 0
  local pos, from = fields_at + 1, fields_at + 1
  while pos < stop and (missing > 0 or whole) do
    if pos + 16 > stop then return {'NO', all} end
    local name_length, value_length = unpack_numbers('>I4I4', all, pos)
    local both = name_length + value_length
    local after = pos + 16 + both
    if after > stop then return {'NO', all} end
    size = size + both
    local gone = false
    if name_length == only_length then
      if sub(all, pos + 16, pos + 15 + name_length) == only then gone, missing = true, 0 end
    elseif lengths and lengths[name_length] then
      local name = sub(all, pos + 16, pos + 15 + name_length)
      local version = expected[name]
      gone = drop[name]
      if version or gone then missing = missing - 1 end
      if version then
        if version ~= sub(all, pos + 8, pos + 15) then return {'NO', all} end
        expected[name] = nil
      end
    end
    if gone then
      dropped = dropped + both
      if from < pos then
        runs = runs or {}
        runs[#runs + 1] = sub(all, from, pos - 1)
      end
      from = after
    end
    pos = after
  end
  if expected then
    for _, version in pairs(expected) do
      if version ~= '\0\0\0\0\0\0\0\0' then return {'NO', all} end
    end
  end
  local fields = ''
  if clear == 0 then
    fields = sub(all, from)
    if runs then fields = table.concat(runs) .. fields end
  end
  if measured then
    local total = added
    if clear == 0 then total = size - dropped + added end
    if total > max and total > size then return {'NO', all} end
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
    local side = key .. ':o'
    call('ZADD', side, unpack(members))
    call('ZREMRANGEBYSCORE', side, '-inf', now)
    call('PEXPIREAT', side, aside + 1000)
    first = fields_at + 1
  end
  local kept = fields_at + 1 - first

  -- deadlines, secrets, principal
  local before = idle
  if renewed > idle then idle = math.min(renewed, absolute) end
  if again_issued > reissued then reissued = again_issued end
  local rotated = 0
  local middle, ops = nil, ''
  if not rotates or proof == 1 then
    if first == ops_at + 1 then
      middle = sub(all, 61, fields_at)
    else
      middle, ops = sub(all, 61, ops_at), sub(all, first, fields_at)
    end
  else
    local turned, created = unpack_numbers('>i8i8', all, 61)
    local principal = sub(all, 110, ops_at)
    local previous, since = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0', 0
    if graced == 1 then
      previous = secret
      if reissued >= overlap then since = math.max(overlap, turned + 1) end
    end
    if renamed == 1 then principal = '\1' .. sub(asked, principal_at) end
    secret, reissued, rotated = next_secret, 0, 1
    if next_idle > idle then idle = math.min(next_idle, absolute) end
    middle = pack('>i8i8c16i8i8B', at, created, previous, grace_until, since, graced) .. principal
    ops = sub(all, first, fields_at)
    ops_at = 109 + #principal
  end
  local record = pack('>c4i8i8c16i8i8I4I4', 'uR\1\0', idle, reissued, secret, absolute, aside, ops_at, ops_at + kept + 24)
    .. middle .. ops .. pack('>c16i8', op, deadline + keep) .. ARGV[first_arg + 2] .. fields

  if idle == before then
    call('SET', key, record, 'KEEPTTL')
  else
    call('SET', key, record, 'PXAT', math.min(math.max(idle, now) + 300000, 9e15))
  end
  return pack('>c4Bi8Bi8', 'DONE', proof, idle, rotated, absolute)
end

local answers, arg = {now}, 1
for i = 1, #KEYS do
  local last = arg + ARGV[arg]
  local ok, answer = pcall(change, KEYS[i], arg + 1, last)
  -- an error is the one change's own: others may be done already
  if not ok and type(answer) ~= 'table' then answer = {err = tostring(answer)} end
  answers[i + 1] = answer
  arg = last + 1
end
return answers
