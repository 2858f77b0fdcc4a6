-- Random messages: trees of parts of every kind, as plain tables (so that one can
-- be made into equal Messages several times), and what two messages have in common
-- that are equal.
--
-- Equal are messages whose parts, walked in order, have the same type, charset,
-- disposition and file name; the same fields in the same order, their texts
-- compared as they read, but for those that the writer owns (MIME-Version,
-- Content-Transfer-Encoding, and in Content-Type a boundary); the same preamble and
-- epilogue but for line ends; and the same content: text as UTF-8 but for its line
-- ends, all else byte for byte.
local chance_of = require "spec.sim.chance"
local email = require "smtplib.email"
local Message = email.Message

local trees = {}

local d

--- A number from `from` (1) to `to` of the tree that was made last; without any,
--- a fraction.
local function random(from, to)
  if not from then return (d:number(2^20) - 1) / 2^20 end
  if not to then from, to = 1, from end
  return from + d:number(to - from + 1) - 1
end

trees.number = random

local function one_of(list) return list[random(#list)] end
local function chance(p) return random() < p end

local words = {
  "a", "Z", "0", " ", " ", "  ", "=?", "?=", "=", "_", "\"", "\\", "(", ")", "<", ">", ",", ";", ":", "@", ".", "'", "%",
  "word", "longerword", "-", "/", "+", "*", "#", "--", "=_", "=_00", "From ", "=?utf-8?q?x?=", "=20", "&", "\226\130\172",
}

-- Charsets that text is asked to be in, with characters that they have.
local charsets = {
  { nil, { "\195\188", "\230\151\165", "\240\159\152\128", "\227\128\138", "e\204\129" } },
  { "utf-8", { "\195\169", "\230\156\172", "\240\159\146\169", "\226\128\139" } },
  { "us-ascii", {} },
  { "iso-8859-1", { "\195\188", "\195\191", "\194\160" } },
  { "iso-8859-15", { "\226\130\172", "\197\147" } },
  { "windows-1252", { "\226\130\172", "\226\128\156" } },
  { "koi8-r", { "\208\159", "\209\143" } },
  { "shift_jis", { "\230\151\165", "\227\131\189", "\239\189\177" } },
  { "euc-jp", { "\230\151\165", "\227\129\130" } },
  { "iso-2022-jp", { "\230\151\165", "\227\129\130" } },
  { "big5", { "\230\151\165", "\229\138\159" } },
  { "gb18030", { "\230\151\165", "\226\130\172" } },
  { "utf-16", { "\227\128\138", "\224\168\133", "\230\151\165" } },
}

-- Lines that some reader on the way could take for something else.
local traps = {
  ".", "..", ".a", "From me", ">From me", "From nobody Mon Nov 23 20:08:22 2026", "--", "--=_", "----", "--=_0123456789",
  "--=_0123456789--", "begin 644 x", "=ybegin line=128", "QUIT", "Subject: not a header", "", "", " ", "\t", "x \t", "=", "==",
  "=3D", "~", "*", ("x"):rep(77), ("x"):rep(78), ("x"):rep(79), ("=") :rep(80), ("."):rep(80),
}
local long_traps = { ("x"):rep(997), ("x"):rep(998), ("x"):rep(999), ("y "):rep(700), ("\194\169"):rep(400), ("z"):rep(3000) }

local function random_words(most, extra)
  local pieces = {}
  for i = 1, random(0, most) do
    pieces[i] = extra and extra[1] and chance(0.3) and one_of(extra) or one_of(words)
  end
  return table.concat(pieces)
end

local function only_ascii(text) return (text:gsub("[\128-\255]+", "x")) end

-- What has no euro sign gets none.
local function in_charset(text, charset)
  if charset == nil or charset:find("^utf") or charset == "gb18030" then return text end
  return (text:gsub("\226\130\172", charset:find("15$") and "%0" or charset == "windows-1252" and "%0" or "E"))
end

local function random_lines(set, has_long)
  local lines, ends = {}, one_of { "\n", "\n", "\r\n", "\r", "mixed" }
  for _ = 1, random(0, 12) do
    local line
    if chance(0.4) then
      line = one_of(has_long and chance(0.3) and long_traps or traps)
      if set[1] then line = only_ascii(line) end
    else
      line = in_charset(random_words(14, set[2]), set[1])
    end
    lines[#lines + 1] = line
    lines[#lines + 1] = ends == "mixed" and one_of { "\n", "\r\n", "\r" } or ends
  end
  if chance(0.3) then lines[#lines] = nil end
  if chance(0.05) and set[1] == nil then lines[#lines + 1] = "\0" end
  return table.concat(lines)
end

local function random_bytes()
  local bytes, kind = {}, random(4)
  for i = 1, one_of { 0, 1, 2, 3, 56, 57, 58, 300, random(2000) } do
    bytes[i] = kind == 1 and one_of { "\r", "\n", ".", "-", "\0" } or string.char(random(0, 255))
  end
  if kind == 2 then table.insert(bytes, 1, "\r\n.\r\n") end
  return table.concat(bytes)
end

-- Without what Python's reading takes away from names: white space and brackets
-- around them.
local function random_name()
  local name = random_words(12, charsets[1][2]):gsub('[<>"]', ""):gsub("^%s+", ""):gsub("%s+$", "")
  return name ~= "" and name or nil
end

local addresses = {
  "user@host-%d.example", "user.%d@example.org", '"odd local %d"@example.org', "x%d@[127.0.0.1]",
  "very-long-name@" .. ("d"):rep(45) .. "-%d.example",
}

local function random_addresses()
  local to = {}
  for i = 1, random(1, 4) do
    local name = random_words(5, charsets[1][2]):gsub("[ \t]", "")
    to[i] = { name = name ~= "" and name or nil, addr = one_of(addresses):format(random(99)) }
  end
  return to
end

local make = {}

function make.text(node)
  local set = one_of(charsets)
  node.charset = set[1]
  node.text = random_lines(set, true)
  node.type = one_of { "text/plain", "text/plain", "text/html", "text/calendar", "text/x-amp-html" }
  if chance(0.3) then
    local has_8bit = node.text:find("[\128-\255%z]")
    local is_long = node.text:find(("[^\r\n]"):rep(40))
    local ctes = { "base64" }
    if node.charset ~= "utf-16" then ctes[2] = "quoted-printable" end
    if not has_8bit and not is_long and node.charset ~= "utf-16" then ctes[#ctes + 1] = "7bit" end
    if not is_long and not node.text:find("%z") and node.charset ~= "utf-16" then ctes[#ctes + 1] = "8bit" end
    node.cte = one_of(ctes)
  end
  if chance(0.2) then node.filename, node.disposition = random_name(), one_of { "inline", "attachment" } end
end

function make.bytes(node)
  node.content = random_bytes()
  node.type = one_of { "application/octet-stream", "image/png", "text/csv", "application/x-test", "audio/ogg" }
  node.via = one_of { "string", "string", "path", "file", "function", "function with length", "content" }
  if (node.via == "string" or node.via == "content") and node.type == "text/csv" then node.type = "font/ttf" end
  node.filename = chance(0.8) and random_name() or nil
  node.disposition = one_of { "attachment", "inline" }
  if node.via == "string" and chance(0.2) then node.cte = one_of { "base64", "quoted-printable" } end
  if chance(0.3) then node.cid = ("part-%d@example.com"):format(random(1000)) end
end

function make.empty() end

local grow

function make.message(node, depth)
  node.type = "message/rfc822"
  node.parts = { grow(depth - 1) }
  node.parts[1].is_message = true
end

local subtypes = {
  mixed = "multipart/mixed", alternative = "multipart/alternative", related = 'multipart/related; type="text/html"',
  digest = "multipart/digest", parallel = "multipart/parallel", report = "multipart/report; report-type=x",
  signed = 'multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256',
  ["x-strange"] = "multipart/x-strange",
}
local names_of_subtypes = {}
for name in pairs(subtypes) do names_of_subtypes[#names_of_subtypes + 1] = name end
table.sort(names_of_subtypes)

local count = 0

function make.multipart(node, depth)
  local subtype = one_of(names_of_subtypes)
  node.subtype, node.type, node.parts = subtypes[subtype], "multipart/" .. subtype, {}
  for i = 1, subtype == "signed" and 2 or random(1, 4) do
    node.parts[i] = grow(depth - 1)
  end
  if chance(0.3) then node.preamble = random_lines(charsets[3]) end
  if chance(0.3) then node.epilogue = random_lines(charsets[3]) end
  if chance(0.3) then
    count = count + 1
    node.boundary = one_of { "b-%d-b", "a b'()+_,-./:=?%d!" }:format(count):gsub("!", "x")
  end
end

function grow(depth)
  local kind = depth > 0 and one_of { "text", "text", "bytes", "bytes", "empty", "multipart", "multipart", "message" }
    or one_of { "text", "bytes", "empty" }
  local node = { kind = kind, fields = {} }
  make[kind](node, depth)
  if chance(0.2) then
    table.insert(node.fields, { "Content-Description", (random_words(20, charsets[1][2]):match("^%s*(.-)%s*$")) })
  end
  return node
end

--- A random tree, the same for the same seed in every Lua.
function trees.random(seed)
  d = chance_of.new(seed + 1)
  count = 0
  local node = grow(random(0, 4))
  node.is_message = true
  return node
end

-- Messages of the tables. `files` gets what is to be closed and removed afterwards.

local function file_of(bytes, files)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  files[#files + 1] = path
  return path
end

local source = {}

function source.string(bytes) return bytes end
function source.content(bytes) return { content = bytes } end
function source.path(bytes, files) return { path = file_of(bytes, files) } end

function source.file(bytes, files)
  return assert(io.open(file_of(bytes, files), "rb"))
end

source["function"] = function(bytes)
  local at, size = 1, #bytes % 97 + 1
  return function()
    if at > #bytes then return nil end
    at = at + size
    return bytes:sub(at - size, at - 1)
  end
end
source["function with length"] = source["function"]

local fill = {}

function fill.text(m, node)
  m:set_content(node.text, { type = node.type, charset = node.charset, cte = node.cte, filename = node.filename,
    disposition = node.disposition })
end

function fill.bytes(m, node, files)
  m:set_content(source[node.via](node.content, files), { type = node.type, filename = node.filename, cid = node.cid,
    cte = node.cte, disposition = node.disposition, length = node.via == "function with length" and #node.content or nil })
end

function fill.empty() end

function fill.message(m, node, files)
  m["Content-Type"] = node.type
  m:set_payload { trees.message(node.parts[1], files) }
end

function fill.multipart(m, node, files)
  local parts = {}
  for i, part in ipairs(node.parts) do parts[i] = trees.message(part, files) end
  m["Content-Type"] = node.subtype
  m:set_payload(parts)
  m.preamble, m.epilogue = node.preamble, node.epilogue
  if node.boundary then m:set_boundary(node.boundary) end
end

local function head(node)
  if node.head then return node.head end
  node.head = {
    { "From", "a@b.example" }, { "To", random_addresses() },
    { "Subject", (random_words(40, charsets[1][2]):match("^%s*(.-)%s*$")) },
    { "X-Note", (random_words(10):match("^%s*(.-)%s*$")) },
    { "Message-ID", ("<%d.%s@example.com>"):format(random(1e6), ("x"):rep(random(40))) },
  }
  return node.head
end

--- A Message of the table; equal ones each time.
---@param files string[] # gets the paths of files that must be there until it is written
function trees.message(node, files)
  local m = Message()
  for _, field in ipairs(node.is_message and head(node) or {}) do m[field[1]] = field[2] end
  fill[node.kind](m, node, files)
  for _, field in ipairs(node.fields or {}) do m[field[1]] = field[2] end
  return m
end

function trees.remove(files)
  for _ = #files, 1, -1 do os.remove(table.remove(files)) end
end

-- What equal messages have in common.

function trees.with_lf(text) return (text:gsub("\r\n", "\n"):gsub("\r", "\n")) end

local function with_end(text) return text:match("\n$") and text or text .. "\n" end
-- Fields of which more can be compared than their texts, or nothing.
local owned = { ["mime-version"] = true, ["content-transfer-encoding"] = true, ["content-type"] = true,
  ["content-disposition"] = true }

local function add_params(lines, part, header, default)
  local params = {}
  for _, param in ipairs(part:get_params({ { default, "" } }, header)) do
    if param[1]:lower() ~= "boundary" then params[#params + 1] = param[1] .. "=" .. tostring(param[2]) end
  end
  lines[#lines + 1] = header .. ": " .. table.concat(params, ";")
end

local function content_of(part)
  if part:is_multipart() then return #part:get_payload() .. " parts" end
  if part:get_content_maintype() == "text" then return trees.with_lf(part:get_content() or "") end
  return part:get_payload(nil, true) or ""
end

--- All that counts when two messages are compared, a string for each part.
function trees.seen(m)
  local found = {}
  for part in m:walk() do
    local lines = { part:get_content_type(), part:get_content_disposition() or "-", part:get_filename() or "-" }
    add_params(lines, part, "Content-Type", part:get_content_type())
    add_params(lines, part, "Content-Disposition", "")
      for _, field in ipairs(part:items()) do
      if not owned[field[1]:lower()] then lines[#lines + 1] = field[1] .. ": " .. field[2] end
    end
    lines[#lines + 1] = "preamble " .. trees.with_lf(part.preamble or "")
    lines[#lines + 1] = "epilogue " .. trees.with_lf(part.epilogue or "")
    lines[#lines + 1] = content_of(part)
    found[#found + 1] = table.concat(lines, "\n")
  end
  return found
end

--- The leaves and containers of a table in the order of walk.
function trees.walk(node, list)
  list = list or {}
  list[#list + 1] = node
  for _, part in ipairs(node.parts or {}) do trees.walk(part, list) end
  return list
end

--- The text that a reader must find.
function trees.text(node) return trees.with_lf(with_end(node.text)) end

--- Whether a line of it must be longer than 78 columns.
function trees.has_long_line(node)
  for _, part in ipairs(trees.walk(node)) do
    for line in trees.with_lf((part.text or "") .. "\n" .. (part.preamble or "") .. "\n" .. (part.epilogue or "")):gmatch("[^\n]+") do
      if #line > 78 then return true end
    end
  end
  return false
end

return trees
