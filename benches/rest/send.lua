-- wrk: POST messages with a body of its own each time; with `pace`, each connection waits so many milliseconds between two.
-- Arguments: token, path of the messages, file for the ids, milliseconds of pause (0: none).
local threads = {}
local number = 0

function setup(thread)
    number = number + 1
    thread:set("id", number)
    table.insert(threads, thread)
end

function init(args)
    token, path, file, pause = args[1], args[2], args[3], tonumber(args[4] or "0")
    sent, ids, refused, last = 0, {}, 0, ""
    headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token }
    out = io.open(file .. "." .. id, "w")
end

function request()
    sent = sent + 1
    local body = string.format(
        '{"from":"0930000000","to":"06%08d","text":"Message %d of %d, as different as can be","extRef":"w%d-%d"}',
        (sent * 7919 + id * 104729) % 100000000, sent, id, id, sent)
    return wrk.format("POST", path, headers, body)
end

if wrk then
    function delay()
        return pause
    end
end

function response(status, _, body)
    if status == 201 then
        local found = body:match('"id":"(%x+)"')
        if found then out:write(found, "\n") end
    else
        refused = refused + 1
        last = status .. " " .. body:sub(1, 200)
    end
end

function done(summary, latency)
    local bad, said = 0, ""
    for _, thread in ipairs(threads) do
        bad = bad + thread:get("refused")
        if thread:get("last") ~= "" then said = thread:get("last") end
    end
    local e = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"refused":%d,"said":"%s","errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, bad,
        said:gsub('[\\"%c]', " "), e.connect + e.read + e.write + e.timeout))
end
