# frozen_string_literal: true

require "minitest/autorun"
require "tmpdir"
require_relative "../../providers/vagrant/boxes"
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

# One box for each Debian release, provider and architecture.
class TestBoxes < Minitest::Test
  PROVIDERS = %w[virtualbox libvirt vmware_desktop parallels].freeze

  def test_each_choice_has_a_box_of_one_version
    %w[trixie bookworm].product(PROVIDERS, %w[amd64 arm64]) do |choice|
      box = Lab::Boxes.choose(*choice)
      assert_match(/\A\d+\.\d+\.\d+\z/, "#{box.version}.0"[/\A\d+\.\d+\.\d+/], choice.inspect)
      assert_includes box.name, "/"
    end
  end

  def test_lab_box_replaces_it
    assert_equal Lab::Box.new("my/box", nil, "amd64"), Lab::Boxes.choose("trixie", "libvirt", "amd64", own: "my/box")
  end

  def test_an_unknown_choice_is_refused_with_a_remedy
    problem = assert_raises(Lab::Problem) { Lab::Boxes.choose("sid", "libvirt", "amd64") }
    assert_includes problem.message, "LAB_RELEASE=trixie or LAB_RELEASE=bookworm"
    problem = assert_raises(Lab::Problem) { Lab::Boxes.choose("trixie", "hyperv", "amd64") }
    assert_includes problem.message, "LAB_BOX="
  end

  def test_architectures_have_the_names_that_boxes_use
    assert_equal %w[arm64 arm64 amd64 amd64], %w[aarch64 arm64 x86_64 x64].map { |cpu| Lab::Boxes.architecture(cpu) }
  end
end
