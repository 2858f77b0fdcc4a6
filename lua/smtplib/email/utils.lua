-- The helpers of Python's email.utils: addresses, dates, message ids. Parsing
-- is strict: what is malformed gives nil and an error table, never a guess.
local core = require "smtplib.core"
local errors = require "smtplib.errors"

local utils = {}

-- The caller of the public function that checks.
local BLAME = 3

local function check(kind, value, name, func)
  local want = kind:match("[^ ]+$")
  if type(value) == want or (value == nil and want ~= kind) then return end
  error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, func, want, type(value)), BLAME)
end

-- A text as an error may show it.
local function shown(s)
  return (s:sub(1, 80):gsub("%c", function(c) return ("\\x%02X"):format(c:byte()) end))
end

---`s` with backslash and quote escaped, as inside of a quoted string.
---@param s string
---@return string
function utils.quote(s)
  check("string", s, "s", "quote")
  return (s:gsub('[\\"]', "\\%0"))
end

---`s` without the quotes around it and the escapes inside, or without < and >.
---@param s string
---@return string
function utils.unquote(s)
  check("string", s, "s", "unquote")
  if #s > 1 and s:sub(1, 1) == '"' and s:sub(-1) == '"' then return (s:sub(2, -2):gsub('\\([\\"])', "%1")) end
  if #s > 1 and s:sub(1, 1) == "<" and s:sub(-1) == ">" then return s:sub(2, -2) end
  return s
end

-- A mailbox is {name=, addr=}; [1] and [2] read the same, as Python's pairs do.
local places = { "name", "addr" }
local Mailbox = {
  __name = "smtplib.email.mailbox",
  __index = function(self, key) return rawget(self, places[key]) end,
}

local function parse_list(s)
  local list, name, sentence = core.parse_mailboxes(s)
  if not list then return nil, errors.from_core(name, sentence) end
  return list
end

---The mailboxes of one or more address fields, groups flattened.
---@param fields string|string[]
---@return {name: string, addr: string}[]? mailboxes
---@return table? err
function utils.getaddresses(fields)
  if type(fields) == "string" then fields = { fields } end
  check("table", fields, "fields", "getaddresses")
  local found = {}
  for _, field in ipairs(fields) do
    check("string", field, "fields", "getaddresses")
    local list, err = parse_list(field)
    if not list then return nil, err end
    for _, mailbox in ipairs(list) do
      found[#found + 1] = setmetatable({ name = mailbox.name, addr = mailbox.addr }, Mailbox)
    end
  end
  return found
end

---Display name and addr-spec of exactly one mailbox; the name is "" when there
---is none. Encoded-words are not decoded.
---@param s string
---@return string? name
---@return string|table addr_or_err
function utils.parseaddr(s)
  check("string", s, "s", "parseaddr")
  local list, err = parse_list(s)
  if not list then return nil, err end
  if #list ~= 1 then
    return nil, errors.from_core("address", ("not one address: '%s' (%d of them)"):format(shown(s), #list))
  end
  return list[1].name, list[1].addr
end

-- RFC 2047 section 2.
local WORD_MAX = 75

-- The first `most` bytes of UTF-8 at `at`, less what would split a character.
local function last_of(text, at, most)
  local stop = math.min(at + most - 1, #text)
  while stop < #text and text:byte(stop + 1) >= 0x80 and text:byte(stop + 1) < 0xC0 do
    stop = stop - 1
  end
  return stop
end

-- Encoded-words in a charset, cut between characters.
local function encode_words(text, charset)
  local room = math.floor((WORD_MAX - #charset - 7) / 4) * 3
  local words, at = {}, 1
  while at <= #text do
    local most = room
    local stop, bytes
    repeat
      stop = last_of(text, at, most)
      bytes = core.from_utf8(text:sub(at, stop), charset)
      most = stop - at
    until #bytes <= room or most < 4
    words[#words + 1] = "=?" .. charset .. "?b?" .. core.base64_encode(bytes) .. "?="
    at = stop + 1
  end
  return table.concat(words, " ")
end

-- A name as it may stand before "<": text that a header field takes, or with a
-- charset its encoded form.
local function write_name(name, charset)
  if not core.is_utf8(name) then return nil, "utf8", "not valid UTF-8 in a display name" end
  local phrase, fault, sentence = core.phrase(name)
  if not phrase then return nil, fault, sentence end
  if not charset then return phrase end
  local bytes
  bytes, fault, sentence = core.from_utf8(name, charset)
  if not bytes then return nil, fault, sentence end
  if name:find("[\128-\255]") or name:find("=?", 1, true) then return encode_words(name, charset) end
  return phrase
end

---`Name <addr>` as text for a header field, the name quoted where it must be;
---`addr` alone when the name is empty. Takes a pair, {name=, addr=}, or the two
---as arguments. With a charset the name comes in encoded-words of it if it is
---not ASCII, ready for the wire: a header field of a Message encodes by itself.
---@param pair {name: string?, addr: string}|string|nil
---@param addr? string    the charset, when a pair comes first
---@param charset? string "utf-8", …
---@return string?
---@return table? err
function utils.formataddr(pair, addr, charset)
  local name = pair
  if type(pair) == "table" then
    name, addr, charset = pair.name or pair[1], pair.addr or pair[2], addr
  end
  check("optional string", name, "name", "formataddr")
  check("string", addr, "addr", "formataddr")
  check("optional string", charset, "charset", "formataddr")
  local spec, fault, sentence = core.parse_path(addr)
  if not spec then return nil, errors.from_core(fault, sentence) end
  if name == nil or name == "" then return spec end
  local phrase
  phrase, fault, sentence = write_name(name, charset)
  if not phrase then return nil, errors.from_core(fault, sentence) end
  return phrase .. " <" .. spec .. ">"
end

local QUARTER = 900 -- seconds: clocks are set at the beginning of one, at most

local known_quarter, known_offset

-- Minutes that the local clock is ahead of UTC at a time.
local function find_offset(time)
  local here, utc = os.date("*t", time), os.date("!*t", time)
  local days = here.yday - utc.yday
  if here.year ~= utc.year then days = here.year > utc.year and 1 or -1 end
  return days * 1440 + (here.hour - utc.hour) * 60 + here.min - utc.min
end

-- Asking the system takes longer than the rest of a date; most dates are of now.
local function local_offset(time)
  local quarter = math.floor(time / QUARTER)
  if quarter ~= known_quarter then
    known_offset = find_offset(time)
    known_quarter = quarter
  end
  return known_offset
end

---A date for a Date field: "Mon, 23 Nov 2026 20:08:22 -0000".
---@param timeval? number   seconds since the epoch, default now
---@param localtime? boolean local time and its offset instead of UTC and -0000
---@param usegmt? boolean    "GMT" instead of -0000
---@return string?
---@return table? err for a year that a date cannot have
function utils.formatdate(timeval, localtime, usegmt)
  check("optional number", timeval, "timeval", "formatdate")
  timeval = math.floor(timeval or os.time())
  -- NaN and infinity, too, name no year.
  if not (timeval > -1e12 and timeval < 1e12) then
    return nil, errors.from_core("header", "year outside 1 to 9999")
  end
  local zone = localtime and "offset" or usegmt and "gmt" or "unknown"
  local date, fault, sentence = core.format_date(timeval, localtime and local_offset(timeval) or 0, zone)
  if not date then return nil, errors.from_core(fault, sentence) end
  return date
end

---Seconds since the epoch of a date, and the offset of its zone in seconds east
---of UTC; no offset when the date does not tell it ("-0000").
---@param s string
---@return integer? seconds
---@return integer|table|nil offset_or_err
function utils.parsedate(s)
  check("string", s, "s", "parsedate")
  local seconds, offset, sentence = core.parse_date(s)
  if not seconds then return nil, errors.from_core(offset, sentence) end
  return seconds, offset and offset * 60
end

---A date in its own zone, as of os.date("*t"), and `offset`: that of the zone in
---seconds east of UTC, nil when the date does not tell it.
---@param s string
---@return table?
---@return table? err
function utils.parsedate_tz(s)
  check("string", s, "s", "parsedate_tz")
  local seconds, offset, sentence = core.parse_date(s)
  if not seconds then return nil, errors.from_core(offset, sentence) end
  local date = os.date("!*t", seconds + (offset or 0) * 60)
  date.isdst = nil
  date.offset = offset and offset * 60
  return date
end
utils.parsedate_to_datetime = utils.parsedate_tz

---Local time as such a table.
---@param timeval? number seconds since the epoch, default now
---@return table
function utils.localtime(timeval)
  check("optional number", timeval, "timeval", "localtime")
  local date = os.date("*t", timeval and math.floor(timeval))
  date.offset = local_offset(timeval and math.floor(timeval) or os.time()) * 60
  return date
end

local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

---Seconds since the epoch of such a table; without `offset` it is UTC.
---@param date table
---@return integer?
---@return table? err
function utils.mktime_tz(date)
  check("table", date, "date", "mktime_tz")
  local text = ("%d %s %04d %02d:%02d:%02d +0000"):format(date.day or 0, months[date.month] or "?", date.year or 0,
    date.hour or 12, date.min or 0, date.sec or 0)
  local seconds, fault, sentence = core.parse_date(text)
  if not seconds then return nil, errors.from_core(fault, sentence) end
  return seconds - (date.offset or 0)
end

---Such a table as a date for a Date field.
---@param date table
---@param usegmt? boolean "GMT", and the time of UTC
---@return string?
---@return table? err
function utils.format_datetime(date, usegmt)
  check("table", date, "date", "format_datetime")
  local seconds, err = utils.mktime_tz(date)
  if not seconds then return nil, err end
  local zone = usegmt and "gmt" or date.offset and "offset" or "unknown"
  local text, fault, sentence = core.format_date(seconds, math.floor((date.offset or 0) / 60), zone)
  if not text then return nil, errors.from_core(fault, sentence) end
  return text
end

local function is_dot_atom(s)
  return s:find("^[%w!#$%%&'*+/=?^_`{|}~.-]+$") and not ("." .. s .. "."):find("..", 1, true)
end

-- The right side of a message id: an ASCII host name or literal.
local function message_domain(domain)
  if domain:sub(1, 1) == "[" or not domain:find("[\128-\255]") then
    local spec = core.parse_path("x@" .. domain)
    if spec ~= "x@" .. domain then return nil end
    return domain
  end
  return (core.domain_to_ascii(domain))
end

---A new Message-ID, with its angle brackets, from the time and 128 random bits.
---@param idstring? string appended to the left side
---@param domain? string   default: the host's name
---@return string?
---@return table? err
function utils.make_msgid(idstring, domain)
  check("optional string", idstring, "idstring", "make_msgid")
  check("optional string", domain, "domain", "make_msgid")
  local right = message_domain(domain or core.gethostname() or "localhost")
  if not right and not domain then right = "localhost" end
  if not right then
    return nil, errors.from_core("header", ("not a domain for a Message-ID: '%s'"):format(shown(domain)))
  end
  local bits, fault, sentence = core.random(16)
  if not bits then return nil, errors.from_core(fault, sentence) end
  local hex = ("%02x"):rep(#bits):format(bits:byte(1, -1))
  local left = ("%d.%s"):format(os.time(), hex)
  if idstring and idstring ~= "" then left = left .. "." .. idstring end
  if idstring and not is_dot_atom(left) then
    return nil, errors.from_core("header", ("not an idstring for a Message-ID: '%s'"):format(shown(idstring)))
  end
  return "<" .. left .. "@" .. right .. ">"
end

return utils
