-- smtplib.email: composing and reading messages.

local core = require "smtplib.core"
local compose = require "smtplib.email.compose"
local errors = require "smtplib.errors"
local methods = require "smtplib.email.message"

local message = core.message

local email = {}

--- Whether a value is a Message.
---@return boolean
function email.is_message(value)
  return message.is(value)
end

---@class smtplib.email.MessageOptions
---@field from string|table|nil # addresses: a string, {name=, addr=}, an array of such
---@field sender string|table|nil
---@field reply_to string|table|nil
---@field to string|table|nil
---@field cc string|table|nil
---@field bcc string|table|nil # envelope only: never transmitted
---@field subject string|nil
---@field date number|string|nil # seconds since the epoch, or a ready date
---@field message_id string|nil
---@field in_reply_to string|nil # a Message-ID
---@field references string|string[]|nil # Message-IDs
---@field text string|nil # UTF-8
---@field flowed boolean|nil # the text is format=flowed (RFC 3676)
---@field amp string|nil # AMP for Email
---@field html string|nil
---@field calendar string|table|nil # iCalendar: the text, or {content=, method="REQUEST", filename=}
---@field inline table|nil # what the html refers to: as attachments, each with its cid
---@field attachments table|nil # array of {path=} or {content=} with type, filename, …; or Messages
---@field list table|nil # List-* fields: unsubscribe, post, help, subscribe, owner, archive, id
---@field headers table|nil # further fields: {Name = value}, or an array of {name, value}

--- The class. Message() is an empty message; Message{…} builds a whole one, or
--- returns nil and an error.
email.Message = setmetatable({}, {
  __index = methods,
  __call = function(_, opts)
    if opts == nil then return message.new() end
    local m, why, sentence = compose.message(opts)
    if m then return m end
    return nil, errors.from_core(why, sentence)
  end,
  __tostring = function() return "smtplib.email.Message" end,
})

local parser = require "smtplib.email.parser"

email.message_from_string = parser.message_from_string
email.message_from_bytes = parser.message_from_string
email.message_from_file = parser.message_from_file
email.Parser = parser.Parser

-- Loaded when first asked for.
local later = {
  utils = "smtplib.email.utils", header = "smtplib.email.header", dkim = "smtplib.email.dkim",
  smime = "smtplib.email.smime", mime = "smtplib.email.mime", encoders = "smtplib.email.encoders",
  flowed = "smtplib.email.flowed",
}

setmetatable(email, {
  __index = function(_, name)
    if later[name] then return require(later[name]) end
    if type(name) == "string" and name:find("^MIME") then return require("smtplib.email.mime")[name] end
  end,
})

return email
