# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/inventory"

# The Vagrantfile lists no machines: they come from the inventory, which is checked here.
class TestInventory < Minitest::Test
  LAB = File.expand_path("../../inventory/lab", __dir__)

  def inventory(text, **options)
    Dir.mktmpdir do |folder|
      File.write(File.join(folder, "hosts.yml"), text)
      Lab::Inventory.new(folder, **options)
    end
  end

  def hosts(*lines, vars: "{lab_subnet: 172.20.0}")
    "all:\n  vars: #{vars}\n  children:\n    redis:\n      hosts:\n#{lines.map { |line| "        #{line}\n" }.join}"
  end

  def refused(text, words, **options)
    problem = assert_raises(Lab::Problem) { inventory(text, **options) }
    assert_includes problem.message, words
  end

  def test_the_lab_is_valid
    lab = Lab::Inventory.new(LAB)
    assert_equal lab.machines.map(&:name), lab.machines.map(&:name).uniq
    assert lab.machines.all? { |machine| lab.network.include?(machine.address) }
    assert_equal %w[clients], lab.machines.last.tiers
  end

  def test_another_subnet_moves_every_machine
    moved = Lab::Inventory.new(LAB, subnet: "192.168.57").machines.map(&:address)
    assert_equal Lab::Inventory.new(LAB).machines.map { |machine| machine.address.sub("172.20.0", "192.168.57") }, moved
  end

  def test_a_machine_has_the_values_of_the_inventory
    machine, = inventory(hosts("r: {ansible_host: 172.20.0.9, memory_mb: 700, cpus: 2}")).machines
    assert_equal ["r", "172.20.0.9", 700, 2, ["redis"]], machine.to_a
  end

  def test_a_machine_in_two_groups_is_one
    text = "#{hosts('r: {ansible_host: 172.20.0.9}')}    other:\n      hosts:\n        r:\n"
    assert_equal [%w[redis other]], inventory(text).machines.map(&:tiers)
  end

  def test_errors_name_file_and_machine
    refused(hosts("r:"), "hosts.yml: r: `` is not an address in 172.20.0.0/24")
    refused(hosts("r: {ansible_host: 172.20.1.9}"), "r: `172.20.1.9` is not an address in 172.20.0.0/24")
    refused(hosts("r: {ansible_host: 172.20.0.900}"), "r: `172.20.0.900` is not an address")
    refused(hosts("r: {ansible_host: 172.20.0.9, memory_mb: much}"), "r: memory_mb cannot be `much`")
    twice = hosts("r: {ansible_host: 172.20.0.9}", "s: {ansible_host: 172.20.0.9}")
    refused(twice, "r and s have the same address 172.20.0.9")
    refused(hosts("r: {ansible_host: 172.20.0.9}", vars: "{}"), "has no lab_subnet")
    refused(hosts("r: {ansible_host: 172.20.0.9}"), "`56` is not the first three octets", subnet: "56")
    refused("all:\n  vars: {lab_subnet: 172.20.0}\n", "has no machines")
    refused("all: [\n", "is not valid YAML")
    refused("nothing\n", "is not an inventory")
    problem = assert_raises(Lab::Problem) { Lab::Inventory.new("nowhere/hosts.yml") }
    assert_includes problem.message, "nowhere/hosts.yml: does not exist"
  end
end
