-- One connection of a sink, without its socket: a session, TLS between it and
-- the wire, and what is left to send. Whoever moves the bytes is a driver: the
-- sink's process (smtplib.sink.child), or a spec's peer in memory.

local core = require "smtplib.core"
local session = require "smtplib.sink.session"

local link = {}

local Link = {}
Link.__index = Link
Link.__name = "smtplib.sink.link"

---@class smtplib.sink.link_options: smtplib.sink.options
---@field context userdata|nil a server's TLS context
---@field implicit boolean|nil TLS from the first byte
---@field abrupt boolean|nil end TLS without close_notify
---@field cut_in number|nil feed the session so many bytes at a time

---@param options smtplib.sink.link_options
function link.new(options)
  return setmetatable({
    options = options,
    session = session.new(options),
    out = {},
    held = "",
    -- action: "delay" (value seconds), "more" or "stall"; ended: to be closed
    action = nil, value = nil, ended = false,
  }, Link)
end

-- What TLS wants to send goes the way of all bytes.
local function flush(self)
  local bytes = self.tls:output()
  if bytes and bytes ~= "" then self.out[#self.out + 1] = bytes end
end

local function say(self, bytes)
  if bytes == "" then return end
  if self.tls then
    self.tls:write(bytes)
    flush(self)
  else
    self.out[#self.out + 1] = bytes
  end
end

-- Without a context the server stays in clear, whatever it has promised; and a
-- script may leave the client alone with its handshake (stall.TLS).
local function start_tls(self)
  if self.options.stall and self.options.stall.TLS then self.action = "stall" end
  if not self.options.context then return end
  self.tls = assert(core.tls(self.options.context))
  self.handshaking = true
end

local function act(self, bytes, action, value)
  say(self, bytes)
  self.action, self.value = action, value
  if action == "starttls" then
    self.action = nil
    start_tls(self)
  elseif action == "close" then
    self.action, self.ended = nil, true
    if self.tls and not self.options.abrupt then
      self.tls:shutdown()
      flush(self)
    end
  end
end

local function feed(self, bytes)
  local step = self.options.cut_in or #bytes
  for at = 1, #bytes, step do
    act(self, self.session:feed(bytes:sub(at, at + step - 1)))
  end
end

local BINDINGS = {
  ["tls-exporter"] = true, ["tls-unique"] = true, ["tls-server-end-point"] = true,
}

local function binding_of(tls, kind)
  if not BINDINGS[kind] then return nil end
  local known, bytes = tls:binding(kind)
  return known and bytes or nil
end

-- The end of the handshake is when the session learns of TLS.
local function greet_secured(self)
  local tls = self.tls
  self.handshaking = nil
  self.session:secured {
    version = tls:version(),
    subject = tls:fingerprint(),
    binding = function(kind) return binding_of(tls, kind) end,
  }
  if self.options.implicit then act(self, self.session:open()) end
end

local function feed_tls(self, bytes)
  self.tls:input(bytes)
  flush(self)
  if self.handshaking and self.tls:state() == "open" then greet_secured(self) end
  local plain = self.tls:read()
  while plain and plain ~= "" do
    feed(self, plain)
    plain = self.tls:read()
  end
  flush(self)
  local state = self.tls:state()
  if state == "closed" or state == "failed" then self.ended = true end
end

---The client is there.
function Link:open()
  if self.options.implicit then
    start_tls(self)
  else
    act(self, self.session:open())
  end
end

---Bytes of the client. While there is an action they are kept for later, as
---a server's socket would.
---@param bytes string
function Link:input(bytes)
  if self.ended or self.action == "stall" then return end
  if self.action then
    self.held = self.held .. bytes
  elseif self.tls then
    feed_tls(self, bytes)
  elseif bytes ~= "" then
    feed(self, bytes)
  end
end

---Go on after "delay" or "more".
function Link:resume()
  act(self, self.session:feed(""))
  if self.action or self.ended or self.held == "" then return end
  local held = self.held
  self.held = ""
  self:input(held)
end

---What is to be sent; it is the driver's from now on.
---@return string maybe empty
function Link:output()
  if not self.out[1] then return "" end
  local bytes = table.concat(self.out)
  self.out = {}
  return bytes
end

return link
