-- How a message is sent from nginx without this library, as lua-resty-mail does it: a
-- connection for each, every command waits for its reply, the text goes out in base64
-- within two multiparts. Written for the benchmark, after that library's dialogue:
-- greeting, EHLO, (STARTTLS, handshake, EHLO,) (AUTH PLAIN,) MAIL, RCPT, DATA, the
-- message, QUIT. Runs inside nginx.
local way = {}

local CRLF = "\r\n"

local function read_reply(sock)
  local lines = {}
  repeat
    local line, err = sock:receive()
    if not line then error(err) end
    lines[#lines + 1] = line
  until line:sub(4, 4) ~= "-"
  return tonumber(lines[#lines]:sub(1, 3)), lines
end

local function expect(first, code, lines)
  if not code or math.floor(code / 100) ~= first then error(table.concat(lines, " ")) end
  return lines
end

local function command(sock, first, line)
  if ngx.re.match(line, "[\r\n]", "jo") then error "line break" end
  assert(sock:send { line, CRLF })
  return expect(first, read_reply(sock))
end

local function ehlo(sock)
  local extensions = {}
  for i, line in ipairs(command(sock, 2, "EHLO localhost")) do
    local words = {}
    for word in line:sub(5):lower():gmatch("%S+") do words[#words + 1] = word end
    if i > 1 then extensions[table.remove(words, 1)] = words end
  end
  return extensions
end

local function random_word()
  local bytes = {}
  for i = 1, 20 do bytes[i] = ("%02x"):format(math.random(0, 255)) end
  return ngx.now() .. "." .. table.concat(bytes)
end

local function base64_lines(text)
  local encoded, lines = ngx.encode_base64(text), {}
  for at = 1, #encoded, 76 do lines[#lines + 1] = encoded:sub(at, at + 75) end
  return table.concat(lines, CRLF)
end

local function compose(data)
  local outer, inner = "--==_mimepart_" .. random_word(), "--==_mimepart_" .. random_word()
  local fields = {
    ["From"] = data.from, ["To"] = table.concat(data.to, ","), ["Subject"] = data.subject,
    ["Message-ID"] = "<" .. random_word() .. "@example.com.mail>", ["Date"] = ngx.http_time(ngx.time()),
    ["MIME-Version"] = "1.0", ["Content-Type"] = 'multipart/mixed; boundary="' .. outer .. '"',
  }
  local body = {}
  local function add(...)
    for i = 1, select("#", ...) do body[#body + 1] = (select(i, ...)) end
  end
  for name, value in pairs(fields) do add(name, ": ", value, CRLF) end
  add(CRLF, "This is a multi-part message in MIME format.", CRLF, "--", outer, CRLF)
  add("Content-Type", ": ", 'multipart/alternative; boundary="' .. inner .. '"', CRLF, CRLF, "--", inner, CRLF)
  add("Content-Type", ": ", "text/plain; charset=utf-8", CRLF, "Content-Transfer-Encoding", ": ", "base64", CRLF, CRLF)
  add(base64_lines(data.text), CRLF, "--", inner, "--", CRLF, CRLF, "--", outer, "--", CRLF, CRLF, CRLF, ".", CRLF)
  return body
end

local function send_all(sock, options, data)
  sock:settimeouts(60000, 60000, 60000)
  assert(sock:connect(options.host, options.port))
  expect(2, read_reply(sock))
  local extensions = ehlo(sock)
  if extensions.starttls then
    command(sock, 2, "STARTTLS")
    assert(sock:sslhandshake(nil, options.host, false))
    ehlo(sock)
  end
  if options.user then
    command(sock, 2, "AUTH PLAIN " .. ngx.encode_base64("\0" .. options.user .. "\0" .. options.password))
  end
  command(sock, 2, "MAIL FROM:<" .. data.from .. ">")
  for _, address in ipairs(data.to) do command(sock, 2, "RCPT TO:<" .. address .. ">") end
  command(sock, 3, "DATA")
  assert(sock:send(compose(data)))
  expect(2, read_reply(sock))
end

---@param options table host, port, user, password
---@param data table from, to, subject, text
---@return true|nil ok, string? err
function way.send(options, data)
  local sock = ngx.socket.tcp()
  local ok, err = pcall(send_all, sock, options, data)
  pcall(command, sock, 2, "QUIT")
  sock:close()
  if not ok then return nil, err end
  return true
end

return way
