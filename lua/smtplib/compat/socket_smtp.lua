-- LuaSocket's socket.smtp on this library: its programs run with only the `require`
-- changed. What differs is what was unsafe: STARTTLS is used where it is offered,
-- with certificates verified, and a password does not go out in clear; a line break
-- in a header field or an address is an error; boundaries are random.
local deliver = require "smtplib.smtp.deliver"
local errors = require "smtplib.errors"
local jobs = require "smtplib.smtp.job"
local ltn12 = require "smtplib.compat.ltn12"
local misuse = require "smtplib.misuse"
local multipart = require "smtplib.compat.multipart"
local reply = require "smtplib.compat.reply"
local smtp = require "smtplib.smtp"
local smtplib = require "smtplib"
local wrap = require "smtplib.transport.wrap"

---@class smtplib.compat.socket_smtp
---@field SERVER string # where to, when nothing is said
---@field PORT integer
---@field TIMEOUT number? # seconds for each wait
---@field DOMAIN string # what EHLO says
---@field ZONE string # of the Date field
local M = {
  SERVER = "localhost", PORT = 25, TIMEOUT = 60,
  DOMAIN = os.getenv("SERVER_NAME") or "localhost", ZONE = "-0000",
}

---@class smtplib.compat.socket_smtp.Connection
local methods = {}
local metatable = { __index = methods, __name = "smtplib.compat.socket_smtp" }

function metatable:__tostring()
  return metatable.__name .. " (" .. tostring(self.server) .. ")"
end

local function sentence_of(err)
  local lines = reply.of(err)
  if lines then return lines end
  if err:is(errors.SMTPSocketError) or err:is(errors.SMTPServerDisconnected) then return reply.of_socket(err) end
  return err.cause and tostring(err.cause) or err.message
end

-- A connection on which something failed is closed, as it was there.
local function check(self, value, err, ...)
  if value then return value, err, ... end
  self.server:close()
  return nil, err
end

-- A reply as there: its code and its lines, when it is positive.
local function positive(self, code, text, enhanced)
  if not code then return check(self, nil, text) end
  if code >= 200 and code < 300 then return code, reply.lines(code, text, enhanced) end
  return check(self, nil, errors.SMTPResponseException(code, text, enhanced))
end

-- A socket that answers to every name (a table that hands all calls on to what it
-- wraps, as is usual with LuaSec) is asked for nothing but what LuaSocket asks for.
local function plain(sock)
  if type(sock) ~= "table" or sock["no such method"] == nil then return sock end
  local facade = {}
  for _, name in ipairs { "connect", "settimeout", "send", "receive", "close" } do
    facade[name] = function(_, ...) return sock[name](sock, ...) end
  end
  return facade
end

local function transport_of(create)
  if not create then return nil end
  local sock, err = create()
  if not sock then return nil, errors.SMTPSocketError(tostring(err), tostring(err)) end
  return wrap.wrap(plain(sock))
end

local function open(server, port, create, options)
  local transport, failure = transport_of(create)
  if failure then return nil, failure end
  local tls = options.tls
  local self = setmetatable({ tls = tls }, metatable)
  -- What a socket of the caller's own does with the bytes is the caller's affair.
  self.server = smtp.SMTP {
    transport = transport, timeout = M.TIMEOUT or math.huge, add_missing_headers = false, local_hostname = M.DOMAIN,
    tls = tls, tls_options = options.tls_options, allow_insecure_auth = options.allow_insecure_auth or create ~= nil,
  }
  local code, text, enhanced = self.server:connect(server or M.SERVER, port or (tls ~= "implicit" and M.PORT or 465))
  if not code then return nil, text end
  self.greeting = { code, text, enhanced }
  return self
end

-- The steps of a dialogue: what they return on success, or nil and an error table.
local steps = {}

local function tls_mode(self)
  if self.tls ~= nil then return self.tls end
  local sock = self.server.sock
  return not (sock and sock.is_loopback and sock:is_loopback()) and "opportunistic"
end

local function start_tls(self)
  local server, mode = self.server, tls_mode(self)
  if mode == false or mode == "implicit" then return true end
  if mode == "opportunistic" and not server:has_extn("starttls") then return true end
  local code, err = server:starttls()
  if code then return true end
  -- A refusal is no worse than no offer, which anybody on the way could have removed.
  if mode == "opportunistic" and server:is_open() then return true end
  return nil, err
end

local function greet_by(self, name)
  local code, text, enhanced = self.server:ehlo(name)
  return positive(self, code, text, enhanced)
end

function steps.greet(self, domain)
  local code, lines = positive(self, self.greeting[1], self.greeting[2], self.greeting[3])
  if not code then return nil, lines end
  self.server.local_hostname = domain or M.DOMAIN
  code, lines = greet_by(self, self.server.local_hostname)
  if not code then return nil, lines end
  local ok, err = check(self, start_tls(self))
  if not ok then return nil, err end
  if not self.server.does_esmtp then code, lines = greet_by(self, self.server.local_hostname) end
  if not code then return nil, lines end
  return lines
end

local function log_in(self, user, password, mechanisms)
  local code, text, enhanced = self.server:login(user, password, { mechanisms = mechanisms })
  return positive(self, code, text, enhanced)
end

function steps.login(self, user, password) return log_in(self, user, password, { "LOGIN" }) end

function steps.plain(self, user, password) return log_in(self, user, password, { "PLAIN" }) end

-- By the strongest mechanism that the server knows.
function steps.auth(self, user, password)
  if not user or not password then return 1 end
  if not self.server:has_extn("auth") then
    return check(self, nil, errors.SMTPNotSupportedError("authentication not supported"))
  end
  return log_in(self, user, password)
end

function steps.mail(self, from) return positive(self, self.server:mail(from)) end

function steps.rcpt(self, to) return positive(self, self.server:rcpt(to)) end

-- Takes what is stuffed already, as there.
function steps.data(self, source, step)
  misuse.check(source, "function", "source", "data")
  return positive(self, self.server:data(ltn12.unstuff(ltn12.complete(source, step))))
end

function steps.quit(self) return positive(self, self.server:quit()) end

local function check_mail(mail)
  misuse.check(mail, "table", "mail", "send")
  misuse.check(mail.from, "string", "from", "send")
  misuse.check(mail.rcpt, "string|table", "rcpt", "send")
  misuse.check(mail.source, "function", "source", "send")
end

-- To all recipients or to none.
function steps.send(self, mail)
  check_mail(mail)
  local job, err = jobs.new("send", mail.from, mail.rcpt, ltn12.complete(mail.source, mail.step))
  if not job then return check(self, nil, err) end
  job.all_or_none = true
  local outcome
  outcome, err = deliver.send(self.server, job)
  if not outcome then return check(self, nil, err) end
  return 1
end

-- LuaSocket's low-level functions raise, for its socket.protect to catch; that one
-- knows only what its own socket.try has raised.
local function must(value, err, ...)
  if value then return value, err, ... end
  local socket = package.loaded.socket
  if type(socket) == "table" and type(socket.try) == "function" then socket.try(nil, sentence_of(err)) end
  error(sentence_of(err), 0)
end

for name, step in pairs(steps) do
  methods[name] = function(self, ...) return must(step(self, ...)) end
end

---Close without a word.
---@return integer
function methods:close()
  self.server:close()
  return 1
end

---Connect. Raises a sentence when that fails, as do the methods of what is
---returned: greet(domain), auth(user, password), mail(from), rcpt(to), data(source,
---step), send(mail), quit(); close().
---@param server? string
---@param port? integer
---@param create? function # makes a socket
---@param options? table # tls, tls_options, allow_insecure_auth
---@return smtplib.compat.socket_smtp.Connection
function M.open(server, port, create, options)
  return must(open(server, port, create, options or {}))
end

---An LTN12 source of a message.
---@param message table # headers, body: a string, a source, or an array of messages; zone
---@return function
function M.message(message)
  misuse.check(message, "table", "message", "message")
  return multipart.source(message, { zone = M.ZONE, mailer = smtplib._VERSION })
end

-- What is wrong with a message shows before anything is sent.
local function started(source)
  local first, err = source()
  if err then return nil, err end
  return function()
    local chunk = first
    if chunk == nil then return source() end
    first = nil
    return chunk
  end
end

local function send(mail, source)
  local self, err = open(mail.server, mail.port, mail.create, mail)
  local ok
  if self then ok, err = steps.greet(self, mail.domain) end
  if ok then ok, err = steps.auth(self, mail.user, mail.password) end
  if ok then ok, err = steps.send(self, { from = mail.from, rcpt = mail.rcpt, source = source, step = mail.step }) end
  if not ok then return nil, sentence_of(err), err end
  -- The server has the message, whatever it says to QUIT.
  self.server:quit()
  self.server:close()
  return 1
end

---Send a message: to all of its recipients, or to none.
---@param mail table # from, rcpt, source; server, port, domain, user, password, step, create; and tls, tls_options,
--- allow_insecure_auth as of smtplib.SMTP
---@return integer? ok 1
---@return string? err
---@return smtplib.Error? details
function M.send(mail)
  check_mail(mail)
  local source, err = started(mail.source)
  if not source then return nil, tostring(err), errors.SMTPException(tostring(err)) end
  return send(mail, source)
end

return M
