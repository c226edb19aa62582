# frozen_string_literal: true

require "ipaddr"
require "yaml"
require_relative "problem"

module Lab
  # One machine: name, IPv4 address, memory in MB, virtual CPUs, and the groups that it is in.
  Machine = Struct.new(:name, :address, :memory_mb, :cpus, :tiers, keyword_init: true)

  # The parts of an inventory that Vagrant needs. Ansible's preflight checks the rest.
  class Inventory
    DEFAULT_MEMORY_MB = 512 # where a machine has no memory_mb
    MIN_MEMORY_MB = 128

    # The machines, in the inventory's order, and the first three octets of their network.
    attr_reader :machines, :subnet

    # path: a folder with a hosts.yml, or the file. subnet: three octets that replace the inventory's.
    # Raises Problem if no machines can be made from it.
    def initialize(path, subnet: nil)
      @file = File.directory?(path) ? File.join(path, "hosts.yml") : path
      all = read.fetch("all") { refuse("has no group `all`. See inventory/lab/hosts.yml.") } || {}
      @subnet = subnet || (all["vars"] || {})["lab_subnet"]
      @subnet || refuse("has no lab_subnet, so Vagrant makes no machines of it. For existing machines: make provision.")
      @moved = !subnet.nil?
      address?("#{@subnet}.0") ||
        refuse("`#{@subnet}` is not the first three octets of a network. Example: 192.168.57.")
      @machines = collect(all, nil, {}).map { |name, (keys, tiers)| machine(name, keys, tiers) }
      check
    end

    def network
      IPAddr.new("#{subnet}.0/24")
    end

    private

    def read
      content = YAML.safe_load(File.read(@file), aliases: true)
      content.is_a?(Hash) ? content : refuse("is not an inventory. See inventory/lab/hosts.yml.")
    rescue Errno::ENOENT
      refuse("does not exist. LAB_INVENTORY is the folder of an inventory.")
    rescue Psych::SyntaxError => e
      refuse("is not valid YAML: line #{e.line}, #{e.problem}.")
    end

    # name => [its variables, its groups]: a machine may be in several groups.
    def collect(group, name, found)
      (group["hosts"] || {}).each do |host, keys|
        variables, tiers = found[host] ||= [{}, []]
        variables.update(keys || {})
        tiers << name if name
      end
      (group["children"] || {}).each { |child, content| collect(content || {}, child, found) }
      found
    end

    def machine(name, keys, tiers)
      address = keys["ansible_host"].to_s
      address = "#{subnet}.#{address[/\d+\z/]}" if @moved
      memory = keys.fetch("memory_mb", DEFAULT_MEMORY_MB)
      unless memory.is_a?(Integer) && memory >= MIN_MEMORY_MB
        refuse("#{name}: memory_mb cannot be `#{memory}`. Use a whole number, at least #{MIN_MEMORY_MB}.")
      end
      Machine.new(name: name, address: address, memory_mb: memory, cpus: keys.fetch("cpus", 1), tiers: tiers)
    end

    def address?(text)
      IPAddr.new(text).ipv4?
    rescue IPAddr::Error
      false
    end

    def check
      refuse("has no machines.") if machines.empty?
      machines.each do |machine|
        next if address?(machine.address) && network.include?(machine.address)

        refuse("#{machine.name}: `#{machine.address}` is not an address in #{subnet}.0/24. Change its ansible_host.")
      end
      machines.group_by(&:address).each do |address, same|
        same.one? || refuse("#{same.map(&:name).join(' and ')} have the same address #{address}. Give each its own.")
      end
    end

    def refuse(what)
      raise Problem, "#{@file}: #{what}"
    end
  end
end
