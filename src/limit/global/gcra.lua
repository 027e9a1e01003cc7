-- The limits of one request: all that are enforced admit it, or nothing is taken.
-- For each key four arguments: interval and depth in microseconds, cost, and 1 if the limit is enforced.
-- With one argument more it only looks: nothing is taken.
-- Answers four numbers for each: 1 if it allows, remaining, microseconds to a retry (-1: never) and to a full burst.
local time = redis.call('TIME')
-- since 2023, because numbers have 53 bits and fractions of a microsecond count
local now = (time[1] - 1700000000) * 1000000 + time[2]
local answer, tats, refused = {}, {}, ARGV[4 * #KEYS + 1] ~= nil
for n, key in ipairs(KEYS) do
    local interval, depth = tonumber(ARGV[4 * n - 3]), tonumber(ARGV[4 * n - 2])
    local weight = tonumber(ARGV[4 * n - 1]) * interval
    -- no debt is longer than a full one, whatever happened to the clock or the limit
    local tat = math.min(math.max(tonumber(redis.call('GET', key) or 0), now), now + depth)
    local left = now + depth - tat - weight
    -- sums of fractions may be off by less than this
    local allowed = left > -0.5
    if allowed then
        tats[n] = tat + weight
        answer[4 * n - 3], answer[4 * n - 1] = 1, 0
        answer[4 * n - 2] = math.floor((left + 0.5) / interval)
    else
        refused = refused or ARGV[4 * n] == '1'
        answer[4 * n - 3] = 0
        answer[4 * n - 2] = math.floor((left + weight + 0.5) / interval)
        answer[4 * n - 1] = weight > depth + 0.5 and -1 or math.ceil(-left)
    end
    answer[4 * n] = math.ceil((tats[n] or tat) - now)
end
if not refused then
    for n, tat in pairs(tats) do
        redis.call('SET', KEYS[n], string.format('%.3f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
    end
end
return answer
